import { grafana } from './grafana/grafana.source';
import { kubernetesEvent } from './kubernetes-event/kubernetes-event.source';
import { prometheus } from './prometheus/prometheus.source';

/**
 * Every source of signals. Adding one is its folder and its line here (docs/adding-a-source.md): what it is called here is
 * its section under `adapters` in the configuration.
 */
export const sources = { prometheus, kubernetesEvent, grafana };
