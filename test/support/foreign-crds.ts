import { cacheFolder } from './cached-tool';

/** Folders with the CRDs of others, as scripts/lib/foreign-crds.mjs fetches them. */
export const prometheusOperatorCrds = cacheFolder('prometheus-operator-crds-0.85.0');
export const certManagerCrds = cacheFolder('cert-manager-crds-1.21.2');
