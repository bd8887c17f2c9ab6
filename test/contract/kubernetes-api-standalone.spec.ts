import { startStandaloneApi } from '../support/api-under-test';
import { describeKubernetesApi } from './kubernetes-api.suite';

describeKubernetesApi('the API server of standalone mode', startStandaloneApi);
