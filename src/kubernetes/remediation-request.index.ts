import type { Clock } from '../clock';
import type { LogSink } from '../logging/log-sink';
import type { RequestRef } from '../request-ref';
import { toKnownRequest, type KnownRequest } from './known-request';
import type { KubernetesApi } from './kubernetes-api';
import type { RemediationRequest } from './remediation-request';
import { remediationRequests } from './remediation-request';
import { requestsPath, type RemediationRequestClient } from './remediation-request.client';
import { WatchCache } from './watch-cache';

const none: readonly KnownRequest[] = [];

/** All RemediationRequests of the cluster, found by fingerprint, those of storms also by that of each member they name. Watched, so that a look-up costs no call. */
export class RemediationRequestIndex {
  readonly cache: WatchCache<KnownRequest>;
  /** Nearly always one, and then by itself: a list of one takes a tenth of what is held of a request. */
  private readonly byFingerprint = new Map<string, KnownRequest | KnownRequest[]>();

  constructor(
    api: KubernetesApi,
    private readonly client: RemediationRequestClient,
    private readonly clock: Clock,
    log: LogSink,
  ) {
    this.cache = new WatchCache({
      api,
      path: `${requestsPath}/${remediationRequests.plural}`,
      keep: (object, before) => toKnownRequest(object as RemediationRequest, clock.now(), before),
      log,
    });
    this.cache.onChange = (entry, previous) => {
      const named = entry === undefined ? [] : fingerprintsOf(entry);
      for (const fingerprint of named) this.replace(fingerprint, previous, entry);
      if (previous !== undefined)
        for (const fingerprint of fingerprintsOf(previous))
          if (!named.includes(fingerprint)) this.replace(fingerprint, previous, undefined);
      const changed = entry ?? previous;
      if (changed !== undefined) this.onRequest(changed, entry === undefined);
    };
  }

  /**
   * The requests that carry this fingerprint, alone or as one of a storm's; at once, unless the watch cannot be believed: then the API
   * server is asked.
   */
  find(fingerprint: string, signal: AbortSignal): readonly KnownRequest[] | Promise<readonly KnownRequest[]> {
    return this.cache.trusted ? this.watched(fingerprint) : this.ask(fingerprint, signal);
  }

  /** As `find`, by what the watch shows alone; none while it cannot be believed. */
  peek(fingerprint: string): readonly KnownRequest[] {
    return this.cache.trusted ? this.watched(fingerprint) : [];
  }

  /** The request as last watched; `undefined` if it is not there or not seen yet, or the watch cannot be believed. */
  get(ref: RequestRef): KnownRequest | undefined {
    return this.cache.trusted ? this.cache.get(ref.namespace, ref.name) : undefined;
  }

  /** Takes an answer of the API server at once, before the watch shows it. */
  observe(request: RemediationRequest): KnownRequest {
    return this.cache.observe(request);
  }

  /** Called for every request that is new or has changed, and with its place when it is gone. Set by who follows them. */
  onRequest: (request: KnownRequest, isGone: boolean) => void = () => undefined;

  values(): IterableIterator<KnownRequest> {
    return this.cache.values();
  }

  private watched(fingerprint: string): readonly KnownRequest[] {
    const found = this.byFingerprint.get(fingerprint);
    if (found === undefined) return none;
    return Array.isArray(found) ? found : [found];
  }

  private async ask(fingerprint: string, signal: AbortSignal): Promise<readonly KnownRequest[]> {
    const found = await this.client.listByFingerprint(fingerprint, signal);
    return found.map((request) => toKnownRequest(request, this.clock.now()));
  }

  private replace(fingerprint: string, previous: KnownRequest | undefined, entry: KnownRequest | undefined): void {
    const others = this.watched(fingerprint).filter((request) => request !== previous && request !== entry);
    const requests = entry === undefined ? others : [...others, entry];
    const [first] = requests;
    if (first === undefined) this.byFingerprint.delete(fingerprint);
    else this.byFingerprint.set(fingerprint, requests.length === 1 ? first : requests);
  }
}

function fingerprintsOf({ fingerprint, storm }: KnownRequest): string[] {
  const named = [fingerprint];
  for (const resource of storm?.affectedResources ?? []) named.push(resource.fingerprint);
  // One of another CRD may have none, and many of them would be found together by nothing.
  return named.filter((text) => text !== '');
}
