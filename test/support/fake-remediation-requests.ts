import type { Clock } from '../../src/clock';
import type { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { KubernetesApiError, type KubernetesFailure } from '../../src/kubernetes/kubernetes-api.error';
import { toKnownRequest, type KnownRequest } from '../../src/kubernetes/known-request';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import { RemediationRequestClient } from '../../src/kubernetes/remediation-request.client';
import { RemediationRequestIndex } from '../../src/kubernetes/remediation-request.index';
import type { RequestRef } from '../../src/request-ref';
import { RecordingLog } from './recording-log';

/** For a class that is given an API and calls nothing on it. */
const noApi = {} as KubernetesApi;

type Verb = 'create' | 'try' | 'get' | 'list' | 'patch';

/** The RemediationRequests of an API server, in memory: it arbitrates by name, as the real one does. */
export class FakeRemediationRequestClient extends RemediationRequestClient {
  /** Namespaces that do not exist, or are being deleted. */
  readonly unusableNamespaces = new Set<string>();
  /** Every call, e.g. `create prod/remediation-a`. */
  readonly calls: string[] = [];
  /** The most creates that were under way at once. */
  peakCreates = 0;
  private readonly stored = new Map<string, RemediationRequest>();
  private readonly faults: { verb: Verb; error: Error; afterwards: boolean }[] = [];
  private gate: Promise<void> = Promise.resolve();
  private creates = 0;
  private versions = 0;

  constructor(private readonly clock: Clock) {
    super(noApi, 24);
  }

  /** The objects that exist, oldest first. */
  get objects(): RemediationRequest[] {
    return [...this.stored.values()];
  }

  get names(): string[] {
    return this.objects.map(({ metadata }) => metadata.name ?? '');
  }

  callsOf(verb: Verb): string[] {
    return this.calls.filter((call) => call.startsWith(`${verb} `));
  }

  /** The next `times` calls of this verb fail and change nothing. */
  failNext(verb: Verb, failure: KubernetesFailure | Error, times = 1): void {
    const error = failure instanceof Error ? failure : new KubernetesApiError(failure, `told to fail: ${failure}`);
    for (let i = 0; i < times; i++) this.faults.push({ verb, error, afterwards: false });
  }

  /** The next create is carried out, but its answer never arrives. */
  loseNextAnswer(): void {
    const error = new KubernetesApiError('unavailable', 'no answer from the API server: timeout');
    this.faults.push({ verb: 'create', error, afterwards: true });
  }

  /** Creates wait until the answered function is called. */
  holdCreates(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return resolve;
  }

  /** What an orchestrator does in the end. */
  finish({ namespace, name }: RequestRef, overallPhase = 'Completed', completionTime = this.clock.now()): void {
    const key = `${namespace}/${name}`;
    const request = this.read(key);
    const status = { ...request.status, overallPhase, completionTime: new Date(completionTime).toISOString() };
    this.store(key, { ...request, status });
  }

  /** Somebody else writes the status: it has another version then. */
  touch({ namespace, name }: RequestRef, status: RemediationRequest['status'] = {}): void {
    const key = `${namespace}/${name}`;
    const request = this.read(key);
    this.store(key, { ...request, status: { ...request.status, ...status } });
  }

  delete({ namespace, name }: RequestRef): void {
    if (!this.stored.delete(`${namespace}/${name}`)) throw new Error(`there is no ${namespace}/${name}`);
  }

  override async create(request: RemediationRequest, signal?: AbortSignal): Promise<RemediationRequest> {
    const { namespace = '', name = '' } = request.metadata;
    const key = `${namespace}/${name}`;
    this.calls.push(`create ${key}`);
    this.peakCreates = Math.max(this.peakCreates, ++this.creates);
    try {
      await unlessAborted(this.gate, signal);
      const fault = this.takeFault('create');
      if (fault?.afterwards === false) throw fault.error;
      if (this.unusableNamespaces.has(namespace)) throw failure('namespace-unusable', key);
      if (this.stored.has(key)) throw failure('already-exists', key);
      // Through JSON, as over the wire: times are text then.
      const written = JSON.parse(JSON.stringify(request)) as RemediationRequest;
      Object.assign(written.metadata, { creationTimestamp: new Date(this.clock.now()).toISOString() });
      this.store(key, written);
      if (fault !== undefined) throw fault.error;
      return this.read(key);
    } finally {
      this.creates--;
    }
  }

  override tryCreate(request: RemediationRequest): Promise<RemediationRequest> {
    this.calls.push(`try ${request.metadata.namespace ?? ''}`);
    const fault = this.takeFault('try');
    return fault === undefined ? Promise.resolve(request) : Promise.reject(fault.error);
  }

  override async patchStatus(
    { namespace, name }: RequestRef,
    status: object,
    resourceVersion: string,
    signal?: AbortSignal,
  ): Promise<RemediationRequest> {
    const key = `${namespace}/${name}`;
    this.calls.push(`patch ${key}`);
    await unlessAborted(this.gate, signal);
    const fault = this.takeFault('patch');
    if (fault?.afterwards === false) throw fault.error;
    const request = this.read(key);
    if (request.metadata.resourceVersion !== resourceVersion) throw failure('conflict', key);
    this.store(key, { ...request, status: merged(request.status ?? {}, JSON.parse(JSON.stringify(status)) as object) });
    if (fault !== undefined) throw fault.error;
    return this.read(key);
  }

  override async get({ namespace, name }: RequestRef, signal?: AbortSignal): Promise<RemediationRequest> {
    const key = `${namespace}/${name}`;
    this.calls.push(`get ${key}`);
    await unlessAborted(Promise.resolve(), signal);
    const fault = this.takeFault('get');
    if (fault !== undefined) throw fault.error;
    return this.read(key);
  }

  override async listByFingerprint(fingerprint: string, signal?: AbortSignal): Promise<RemediationRequest[]> {
    this.calls.push(`list ${fingerprint}`);
    await unlessAborted(Promise.resolve(), signal);
    const fault = this.takeFault('list');
    if (fault !== undefined) throw fault.error;
    return this.objects.filter(({ spec }) => spec.fingerprint === fingerprint);
  }

  private store(key: string, request: RemediationRequest): void {
    const metadata = Object.assign({}, request.metadata, { resourceVersion: String(++this.versions) });
    this.stored.set(key, { ...request, metadata });
  }

  private read(key: string): RemediationRequest {
    const request = this.stored.get(key);
    if (request === undefined) throw failure('not-found', key);
    return request;
  }

  private takeFault(verb: Verb): { error: Error; afterwards: boolean } | undefined {
    const i = this.faults.findIndex((fault) => fault.verb === verb);
    return i < 0 ? undefined : this.faults.splice(i, 1)[0];
  }
}

/** The index over these requests as a watch shows them: at once, or late, or not yet at all. */
export class FakeRemediationRequestIndex extends RemediationRequestIndex {
  /** `lagging`: shows what it showed before. `cold`: has not read the first list, so the API server is asked. */
  mode: 'current' | 'lagging' | 'cold' = 'current';
  private shown: readonly KnownRequest[] = [];

  constructor(
    private readonly requests: FakeRemediationRequestClient,
    private readonly now: Clock,
  ) {
    super(noApi, requests, now, new RecordingLog());
  }

  override find(fingerprint: string, signal: AbortSignal): readonly KnownRequest[] | Promise<readonly KnownRequest[]> {
    return this.mode === 'cold' ? super.find(fingerprint, signal) : this.peek(fingerprint);
  }

  override peek(fingerprint: string): readonly KnownRequest[] {
    if (this.mode === 'cold') return [];
    return this.look().filter(
      (known) =>
        known.fingerprint === fingerprint ||
        known.storm?.affectedResources.some((resource) => resource.fingerprint === fingerprint),
    );
  }

  override get(ref: RequestRef): KnownRequest | undefined {
    if (this.mode === 'cold') return undefined;
    return this.look().find(({ namespace, name }) => namespace === ref.namespace && name === ref.name);
  }

  override observe(request: RemediationRequest): KnownRequest {
    return toKnownRequest(request, this.now.now());
  }

  override values(): IterableIterator<KnownRequest> {
    return this.look()[Symbol.iterator]() as IterableIterator<KnownRequest>;
  }

  private look(): readonly KnownRequest[] {
    if (this.mode === 'current') {
      const before = new Map(this.shown.map((known) => [`${known.namespace}/${known.name}`, known]));
      this.shown = this.requests.objects.map((request) => {
        const { namespace = '', name = '' } = request.metadata;
        return toKnownRequest(request, this.now.now(), before.get(`${namespace}/${name}`));
      });
    }
    return this.shown;
  }
}

/** As a JSON merge patch does. */
function merged(target: object, patch: object): object {
  const result: Record<string, unknown> = Object.fromEntries(
    Object.entries(target).filter(([key]) => (patch as Record<string, unknown>)[key] !== null),
  );
  for (const [key, value] of Object.entries(patch) as [string, unknown][]) {
    if (value === null) continue;
    if (typeof value === 'object' && !Array.isArray(value)) result[key] = merged(result[key] ?? {}, value);
    else result[key] = value;
  }
  return result;
}

function failure(kind: KubernetesFailure, key: string): KubernetesApiError {
  return new KubernetesApiError(kind, `${key}: ${kind}`);
}

/** Waits as a call does: with the time that it takes others to come in between, and no longer than its signal lets it. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () =>
    aborted.reject(new KubernetesApiError('unavailable', 'no answer from the API server: This operation was aborted'));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([aborted.promise, work.then(() => new Promise<void>((resolve) => setImmediate(resolve)))]);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
