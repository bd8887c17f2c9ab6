import type { GatewayConfig } from '../config/gateway-config';
import { needsOwners } from '../config/identity';
import type { KubernetesApi } from './kubernetes-api';
import type { ClusterNeeds } from './permissions';

/** The namespace that the gateway is installed in, unless it can tell better. */
const installedNamespace = 'kubernaut-system';

export function ownNamespaceOf({ ownNamespace }: Pick<KubernetesApi, 'ownNamespace'>): string {
  return ownNamespace || installedNamespace;
}

/** The namespace that takes requests whose own is not there. */
export function fallbackNamespaceOf(
  { fallbackNamespace }: GatewayConfig['crd'],
  api: Pick<KubernetesApi, 'ownNamespace'>,
): string {
  return fallbackNamespace || ownNamespaceOf(api);
}

export function watchesEvents({ adapters: { kubernetesEvent } }: GatewayConfig): boolean {
  return kubernetesEvent.enabled && kubernetesEvent.watch;
}

/** What a configuration asks of the cluster. */
export function clusterNeedsOf(config: GatewayConfig, ownNamespace: string): ClusterNeeds {
  const { configmapNamespace, configmapName } = config.environment;
  return {
    overrides: { namespace: configmapNamespace, name: configmapName },
    owners: needsOwners(config),
    ...(watchesEvents(config) ? { eventWatchIn: ownNamespace } : {}),
  };
}
