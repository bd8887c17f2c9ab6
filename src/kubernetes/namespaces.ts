import type { LogSink } from '../logging/log-sink';
import type { KubernetesApi } from './kubernetes-api';
import { WatchCache } from './watch-cache';

/** The labels of every namespace, watched. */
export class Namespaces {
  readonly cache: WatchCache<Readonly<Record<string, string>>>;

  constructor(api: KubernetesApi, log: LogSink) {
    this.cache = new WatchCache({
      api,
      path: '/api/v1/namespaces',
      keep: ({ metadata }) => metadata?.labels ?? {},
      log,
    });
  }

  label(namespace: string, label: string): string | undefined {
    const labels = this.cache.get('', namespace);
    return labels !== undefined && Object.hasOwn(labels, label) ? labels[label] : undefined;
  }
}
