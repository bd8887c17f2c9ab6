import { outsideRequests } from '../../outside-requests';
import type { Clock } from '../../clock';
import { deadlineIn } from '../../deadline';
import { messageOf } from '../../error-message';
import { toKnownRequest, type KnownAlert, type KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestClient } from '../../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import { signalOf } from '../../kubernetes/remediation-request.signal';
import type { LogSink } from '../../logging/log-sink';
import { isSameRequest, keyOf, type RequestRef } from '../../request-ref';
import { refOf } from '../deduplication/deduplication';
import { standingOf } from '../deduplication/standing';
import type { RequestStatus } from '../request-status/request-status';
import type { SignalProcessor } from '../signal-processor';

const attemptMs = 4_500;
const retryMs = 5_000;
/** Replicas see the same requests: they do not all begin at once. */
const spreadMs = 1_000;
/** So that a timer that is a little early does not find the cooldown still running. */
const leastMs = 50;
/** The longest that a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Opens the next generation of incidents that fired again while their request was cooling down, when that time is over:
 * the sender may not say it again for hours.
 *
 * What it needs stands in the requests themselves, so that it survives a restart and any replica can do it; the names of
 * requests let one through.
 */
export class Recurrences {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  /** By request whose attempt is under way: what was told of it meanwhile. */
  private readonly running = new Map<string, (() => void) | undefined>();
  private stopped = false;

  constructor(
    private readonly index: RemediationRequestIndex,
    private readonly client: RemediationRequestClient,
    private readonly status: RequestStatus,
    private readonly processor: SignalProcessor,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    /** Where requests lie whose signal is about another namespace. */
    private readonly places: readonly string[],
    private readonly log: LogSink,
  ) {}

  get waitingCount(): number {
    return this.timers.size;
  }

  start(): void {
    this.index.onRequest = (request, isGone) => this.follow(request, isGone);
    for (const request of this.index.values()) this.follow(request, false);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private follow(request: KnownRequest, isGone: boolean): void {
    const key = keyOf(request);
    if (this.running.has(key)) {
      this.running.set(key, () => this.follow(request, isGone));
      return;
    }
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    const { overSince, recurredAt } = request;
    if (isGone || overSince === undefined || recurredAt === undefined) return;
    const left = overSince + this.cooldownMs - this.clock.now();
    this.schedule(request, left + leastMs + Math.random() * spreadMs);
  }

  private schedule(request: KnownRequest, afterMs: number): void {
    if (this.stopped) return;
    const waitMs = Math.min(Math.max(afterMs, 0), maxTimerMs);
    const timer = outsideRequests(() => setTimeout(() => void this.attempt(request), waitMs));
    this.timers.set(keyOf(request), timer.unref());
  }

  private async attempt(request: KnownRequest): Promise<void> {
    const key = keyOf(request);
    this.timers.delete(key);
    this.running.set(key, undefined);
    const due = deadlineIn(attemptMs);
    let isDone = false;
    try {
      isDone = await this.reopen(request, due.signal);
    } catch (error) {
      this.log.warn({ remediation_request: key, reason: messageOf(error) }, 'next generation delayed');
    }
    due.clear();
    const followLast = this.running.get(key);
    this.running.delete(key);
    if (!isDone) this.schedule(request, retryMs + Math.random() * spreadMs);
    else followLast?.();
  }

  /** Whether nothing is left to be done for it. */
  private async reopen(request: KnownRequest, deadline: AbortSignal): Promise<boolean> {
    // A storm may name it as well.
    const found = await this.index.find(request.fingerprint, deadline);
    const known = found.filter(({ fingerprint }) => fingerprint === request.fingerprint);
    const current = known.find((candidate) => isSameRequest(candidate, request));
    // It was deleted, or it resolved in the meantime.
    if (current?.overSince === undefined || current.recurredAt === undefined) return true;

    const standing = standingOf(known, this.clock.now(), this.cooldownMs);
    if (standing.kind === 'carried' && isSameRequest(standing.request, request)) return false;
    if (standing.kind === 'carried' || (standing.over && !isSameRequest(standing.over, request))) {
      const later =
        standing.kind === 'carried' && standing.request.overSince === undefined ? standing.request : undefined;
      if (current.storm !== undefined && later?.storm !== undefined)
        await this.processor.carryOn(current, later, deadline);
      this.status.carriedOn(refOf(request));
      return true;
    }
    const object = await this.client.find(refOf(request), deadline);
    if (object === undefined) return true;
    // The watch may lag behind: it may have resolved at another replica.
    const { overSince, recurredAt, firingAlerts } = toKnownRequest(object, this.clock.now(), current);
    if (overSince === undefined || recurredAt === undefined) return true;
    const signal = signalOf(object, this.clock.now());
    // Who may write requests into one namespace could otherwise have us create them in another.
    if (!this.places.includes(request.namespace) && request.namespace !== signal.namespace) return true;
    const outcome =
      object.spec.storm === undefined
        ? await this.processor.reopen(signal, firingAlerts, deadline)
        : await this.processor.reopenStorm(signal, current, object.spec.storm, deadline);
    if (outcome.status === 'failed') return false;
    if (outcome.status === 'created' && object.spec.storm === undefined)
      await this.tellResolved(current, firingAlerts, outcome.request, deadline);
    // What it recurred of could not be read, and counts for as long as that is so.
    if (outcome.status === 'duplicate' && isSameRequest(outcome.request, request)) return false;
    this.status.carriedOn(refOf(request));
    return true;
  }

  /** Tells the next generation what resolved while it was being created: the request before it was told, and nobody will say it again. */
  private async tellResolved(
    before: KnownRequest,
    firingAlerts: readonly KnownAlert[],
    next: RequestRef,
    deadline: AbortSignal,
  ): Promise<void> {
    const now = this.clock.now();
    const object = await this.client.find(refOf(before), deadline);
    if (object === undefined) return;
    const still = toKnownRequest(object, now, before).firingAlerts;
    const resolved = firingAlerts
      .filter(({ alert }) => !still.some((one) => one.alert === alert))
      .map(({ alert }) => ({ status: 'resolved' as const, alert, severity: before.severity, receivedAt: now }));
    if (resolved.length > 0) await this.status.note(next, this.index.get(next), resolved, undefined, deadline);
  }
}
