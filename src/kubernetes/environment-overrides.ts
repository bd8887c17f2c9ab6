import type { V1ConfigMap } from '@kubernetes/client-node';
import type { LogSink } from '../logging/log-sink';
import type { KubernetesApi } from './kubernetes-api';
import { WatchCache } from './watch-cache';

/** The ConfigMap in which operators set the environment of a namespace, watched. It need not exist. */
export class EnvironmentOverrides {
  readonly cache: WatchCache<ReadonlyMap<string, string>>;

  constructor(
    api: KubernetesApi,
    private readonly place: { readonly namespace: string; readonly name: string },
    log: LogSink,
  ) {
    this.cache = new WatchCache({
      api,
      path: `/api/v1/namespaces/${encodeURIComponent(place.namespace)}/configmaps`,
      selectors: { fieldSelector: `metadata.name=${place.name}` },
      keep: (object): ReadonlyMap<string, string> => new Map(Object.entries((object as V1ConfigMap).data ?? {})),
      log,
    });
  }

  environmentOf(namespace: string): string | undefined {
    return this.cache.get(this.place.namespace, this.place.name)?.get(namespace);
  }
}
