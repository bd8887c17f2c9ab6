import type { V1ObjectMeta } from '@kubernetes/client-node';
import { messageOf } from '../error-message';
import type { LogSink } from '../logging/log-sink';
import { jittered, pause } from '../pause';
import type { KubernetesApi } from './kubernetes-api';
import { isFailure, toKubernetesApiError } from './kubernetes-api.error';
import { linesOf, watchSeconds, watchSilenceMs, type WatchEvent } from './watch-stream';

/** An Event as the API server has it; what is in it is for the reader of events. */
export interface ClusterEvent {
  readonly metadata?: V1ObjectMeta;
}

/** Events that came together, in the order in which they were written. */
export interface EventBatch {
  readonly events: readonly ClusterEvent[];
  /** Who begins after this version misses none that follow. */
  readonly resourceVersion: string;
}

interface ListPage {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly ClusterEvent[];
}

const path = '/api/v1/events';
/** Most of what a cluster reports is normal. */
const fieldSelector = 'type!=Normal';
const pageSize = 500;
const listTimeoutMs = 10_000;
const firstBackOffMs = 200;
const maxBackOffMs = 10_000;

/**
 * The Warning events of the cluster, each as often as it is written: by a watch that goes on where it was, and by a list of
 * what was written since, when the API server does not reach back that far. Versions of one resource count up (KEP-5504).
 */
export class EventFeed {
  /** It needs nothing before it can begin. */
  readonly synced = true;
  /** Whether the last attempt to list or watch failed. */
  failing = false;

  constructor(
    private readonly api: KubernetesApi,
    private readonly log: LogSink,
  ) {}

  /**
   * Never rejects, and ends only with the signal. The next batch is read when the one before was processed.
   * @param after the version to begin after; without one, what is written from now on
   */
  async *follow(after: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    let version = after;
    let mustList = version === undefined;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (mustList) {
          const batch = await this.list(version, signal);
          version = batch.resourceVersion;
          mustList = false;
          yield batch;
        }
        for await (const batch of this.watch(version ?? '', signal)) {
          version = batch.resourceVersion;
          failures = 0;
          yield batch;
        }
        failures = 0;
        await pause(jittered(firstBackOffMs), signal);
      } catch (error) {
        if (isOver(signal)) return;
        failures++;
        // What fails again may be the place itself, e.g. one of another cluster.
        mustList = version === undefined || isFailure(error, 'expired') || failures > 2;
        this.report(error);
        await pause(jittered(Math.min(firstBackOffMs * 2 ** (failures - 1), maxBackOffMs)), signal);
      }
    }
  }

  /** What was written after a version. A cluster that has not come that far was restored: then all that it has. */
  private async list(after: string | undefined, signal: AbortSignal): Promise<EventBatch> {
    const found: ClusterEvent[] = [];
    let page: ListPage;
    let token: string | undefined;
    do {
      const query = { fieldSelector, limit: String(after === undefined ? 1 : pageSize) };
      page = await this.api.call('GET', `${path}?${queryOf({ ...query, ...(token ? { continue: token } : {}) })}`, {
        signal,
        timeoutMs: listTimeoutMs,
        repeat: false,
      });
      found.push(...page.items);
      token = after === undefined ? undefined : page.metadata.continue;
    } while (token);
    this.heard();
    const resourceVersion = page.metadata.resourceVersion ?? '0';
    if (after === undefined) return { events: [], resourceVersion };
    const wasRestored = Number(resourceVersion) < Number(after);
    const events = found
      .filter((event) => wasRestored || versionOf(event) > Number(after))
      .sort((a, b) => versionOf(a) - versionOf(b));
    return { events, resourceVersion };
  }

  private async *watch(after: string, signal: AbortSignal): AsyncGenerator<EventBatch> {
    const ended = new AbortController();
    const silence = setTimeout(() => ended.abort(new Error('the watch fell silent')), watchSilenceMs).unref();
    try {
      const query = queryOf({
        fieldSelector,
        watch: 'true',
        resourceVersion: after,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(watchSeconds),
      });
      const stream = await this.api.stream(`${path}?${query}`, AbortSignal.any([signal, ended.signal]));
      this.heard();
      for await (const lines of linesOf(stream)) {
        silence.refresh();
        const events: ClusterEvent[] = [];
        let resourceVersion = after;
        for (const line of lines) {
          const { type, object } = JSON.parse(line) as WatchEvent<ClusterEvent>;
          if (type === 'ERROR') throw toKubernetesApiError(object.code ?? 500, JSON.stringify(object));
          if (type === 'ADDED' || type === 'MODIFIED') events.push(object);
          resourceVersion = object.metadata?.resourceVersion ?? resourceVersion;
        }
        this.heard();
        yield { events, resourceVersion };
      }
    } finally {
      clearTimeout(silence);
      ended.abort();
    }
  }

  private heard(): void {
    if (this.failing) this.log.info({ path }, 'watch recovered');
    this.failing = false;
  }

  /** Once for each outage: a dependency's state is logged on change. */
  private report(error: unknown): void {
    if (this.failing) return;
    this.failing = true;
    this.log.warn({ path, reason: messageOf(error) }, 'watch interrupted');
  }
}

function queryOf(query: Readonly<Record<string, string>>): string {
  return new URLSearchParams(query).toString();
}

export function versionOf({ metadata }: ClusterEvent): number {
  return Number(metadata?.resourceVersion ?? 0);
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
