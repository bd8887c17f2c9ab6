import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { deadlineIn } from '../deadline';
import { messageOf } from '../error-message';
import type { LogSink } from '../logging/log-sink';
import { jittered, pause } from '../pause';
import type { KubernetesApi } from './kubernetes-api';
import { isFailure } from './kubernetes-api.error';

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Who holds it for longer than this without renewing it has lost it. Milliseconds. */
  readonly durationMs: number;
  /** How often it is renewed, and asked for. Milliseconds. */
  readonly renewMs: number;
}

/** As the API server has it. */
interface LeaseObject {
  readonly metadata: { readonly resourceVersion: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly leaseTransitions?: number;
  };
}

/** The time for which a replica holds the lease. */
export interface Term {
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** What was left by whoever held it before, and by `leave`. */
  readonly left: Readonly<Record<string, string>>;
  /** Leaves annotations for whoever holds it next; written with the next renewal, and when the term ends well. */
  leave(annotations: Readonly<Record<string, string>>): void;
}

const pauseAfterErrorMs = 1_000;
/** The least that a renewal may take. */
const leastCallMs = 100;

/**
 * Lets one replica at a time do something, by a Lease as the controllers of Kubernetes have them: whoever sees that it was
 * not renewed for its duration, by its own clock, takes it over. Who cannot renew it stops before that.
 */
export class Lease {
  readonly identity = `${hostname()}_${randomUUID()}`;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  /** The last version of the Lease that was seen, and since when. */
  private seen: { readonly version: string; readonly at: number } | undefined;
  private failing = false;
  /** Whether this replica holds it. */
  held = false;

  constructor(
    private readonly api: KubernetesApi,
    private readonly options: LeaseOptions,
    private readonly log: LogSink,
  ) {}

  /** Does the work whenever this replica holds the lease, until stopped. It is to end when its term does. */
  start(work: (term: Term) => Promise<void>): void {
    this.running ??= this.run(work);
  }

  /** Ends the term, waits for the work, and gives the lease up, so that another need not wait. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(work: (term: Term) => Promise<void>): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const lease = await this.acquire();
      if (lease !== undefined) await this.serve(lease, work);
      await pause(jittered(this.options.renewMs), this.stopping.signal);
    }
  }

  private async serve(lease: LeaseObject, work: (term: Term) => Promise<void>): Promise<void> {
    const { name, namespace } = this.options;
    const over = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, over.signal]);
    let current = lease;
    let annotations = { ...lease.metadata.annotations };
    const term: Term = {
      signal,
      left: { ...annotations },
      leave: (left) => {
        annotations = { ...annotations, ...left };
      },
    };
    this.held = true;
    this.log.info({ lease: `${namespace}/${name}`, identity: this.identity }, 'lease acquired');
    // Listened to at once: a failure during a renewal must not end the process.
    const working = work(term)
      .then(
        () => undefined,
        (error: unknown) => error,
      )
      .finally(() => over.abort());
    let renewedAt = performance.now();
    const stopsAfterMs = this.options.durationMs - 2 * this.options.renewMs;
    while (!signal.aborted) {
      if (!(await pause(this.options.renewMs, signal))) break;
      // Who has not heard of it by then stops before another replica may begin.
      const due = deadlineIn(Math.max(leastCallMs, stopsAfterMs - (performance.now() - renewedAt)));
      try {
        current = await this.write(current, annotations, this.identity, { deadline: due.signal });
        renewedAt = performance.now();
        this.recovered();
      } catch (error) {
        this.report(error);
        // Somebody else has it, or may have by the time that we could ask again.
        if (isFailure(error, 'conflict') || performance.now() - renewedAt >= stopsAfterMs) over.abort();
      } finally {
        due.clear();
      }
    }
    const reason = await working;
    this.held = false;
    const fields = { lease: `${namespace}/${name}`, ...(reason instanceof Error ? { reason: reason.message } : {}) };
    this.log.info(fields, 'lease given up');
    await this.write(current, annotations, '').catch(() => undefined);
    this.seen = undefined;
  }

  /** The Lease when this replica has it now. */
  private async acquire(): Promise<LeaseObject | undefined> {
    try {
      const lease = await this.read();
      this.recovered();
      if (lease === undefined) return await this.create();
      const version = lease.metadata.resourceVersion;
      if (this.seen?.version !== version) this.seen = { version, at: performance.now() };
      const { holderIdentity, leaseDurationSeconds } = lease.spec ?? {};
      const lapsesAfterMs = leaseDurationSeconds === undefined ? this.options.durationMs : leaseDurationSeconds * 1000;
      // Ours, when an answer of an earlier term was lost.
      const isFree =
        !holderIdentity || holderIdentity === this.identity || performance.now() - this.seen.at > lapsesAfterMs;
      return isFree
        ? await this.write(lease, lease.metadata.annotations ?? {}, this.identity, { isTransition: true })
        : undefined;
    } catch (error) {
      // Another replica was faster.
      if (!isFailure(error, 'conflict') && !isFailure(error, 'already-exists')) {
        this.report(error);
        await pause(pauseAfterErrorMs, this.stopping.signal);
      }
      return undefined;
    }
  }

  private async read(): Promise<LeaseObject | undefined> {
    try {
      return await this.api.call<LeaseObject>('GET', `${this.collection}/${this.options.name}`, {
        signal: this.stopping.signal,
      });
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined;
      throw error;
    }
  }

  private create(): Promise<LeaseObject> {
    const { namespace, name, durationMs } = this.options;
    const now = microTime();
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: {
        holderIdentity: this.identity,
        leaseDurationSeconds: Math.ceil(durationMs / 1000),
        acquireTime: now,
        renewTime: now,
        leaseTransitions: 0,
      },
    };
    return this.api.call('POST', this.collection, { body, signal: this.stopping.signal });
  }

  /** Replaces the Lease that was read, and no other. */
  private write(
    lease: LeaseObject,
    annotations: Readonly<Record<string, string>>,
    holderIdentity: string,
    { isTransition = false, deadline }: { readonly isTransition?: boolean; readonly deadline?: AbortSignal } = {},
  ): Promise<LeaseObject> {
    const now = microTime();
    const body = {
      ...lease,
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...lease.metadata, annotations },
      spec: {
        ...lease.spec,
        holderIdentity,
        leaseDurationSeconds: Math.ceil(this.options.durationMs / 1000),
        renewTime: now,
        ...(isTransition ? { acquireTime: now, leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + 1 } : {}),
      },
    };
    return this.api.call('PUT', `${this.collection}/${this.options.name}`, { body, repeat: false, signal: deadline });
  }

  private get collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.options.namespace}/leases`;
  }

  /** Once for each outage. */
  private report(error: unknown): void {
    if (this.failing || this.stopping.signal.aborted) return;
    this.failing = true;
    const { namespace, name } = this.options;
    const reason = messageOf(error);
    this.log.warn({ lease: `${namespace}/${name}`, reason }, 'lease cannot be asked for');
  }

  private recovered(): void {
    if (this.failing) this.log.info({}, 'lease can be asked for again');
    this.failing = false;
  }
}

/** As a Lease wants it: six digits of a second. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
