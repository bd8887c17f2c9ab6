import { cacheFolder } from './cached-tool';

/** The folder with the CRDs of prometheus-operator, as scripts/lib/prometheus-operator-crds.mjs fetches them. */
export const prometheusOperatorCrds = cacheFolder('prometheus-operator-crds-0.85.0');
