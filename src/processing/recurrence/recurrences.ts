import { outsideRequests } from '../../outside-requests';
import type { Clock } from '../../clock';
import { deadlineIn } from '../../deadline';
import { messageOf } from '../../error-message';
import { isPermanent, KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import { toKnownRequest, type KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestClient } from '../../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import { signalOf } from '../../kubernetes/remediation-request.signal';
import type { LogSink } from '../../logging/log-sink';
import { isSameRequest, keyOf, type RequestRef } from '../../request-ref';
import { refOf } from '../deduplication/deduplication';
import { standingOf } from '../deduplication/standing';
import type { RequestStatus } from '../request-status/request-status';
import type { SignalProcessor } from '../signal-processor';
import type { StatusWriter } from '../status-writer';
import type { Storms } from '../storm/storms';

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
    private readonly writer: StatusWriter,
    private readonly status: RequestStatus,
    private readonly processor: SignalProcessor,
    private readonly storms: Storms,
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
    const object = await this.client.find(refOf(request), deadline);
    if (object === undefined) return true;
    // The watch may lag behind: it may have resolved at another replica.
    const last = toKnownRequest(object, this.clock.now(), current);
    if (last.overSince === undefined || last.recurredAt === undefined) return true;
    if (standing.kind === 'carried' || (standing.over && !isSameRequest(standing.over, request))) {
      const later = standing.kind === 'carried' && standing.request.overSince === undefined && standing.request.storm;
      if (last.storm !== undefined && later) {
        await this.storms.carryOn(last, standing.request, deadline);
        await this.finish(last, refOf(standing.request), deadline);
      } else await this.finish(last, undefined, deadline);
      return true;
    }
    const signal = signalOf(object, this.clock.now());
    // Who may write requests into one namespace could otherwise have us create them in another.
    if (!this.places.includes(request.namespace) && request.namespace !== signal.namespace) return true;
    const outcome =
      object.spec.storm === undefined
        ? await this.processor.reopen(signal, last.firingAlerts, deadline)
        : await this.processor.reopenStorm(signal, last, object.spec.storm, deadline);
    if (outcome.status !== 'created' && outcome.status !== 'duplicate') return outcome.status !== 'failed';
    // What it recurred of could not be read, and counts for as long as that is so.
    if (isSameRequest(outcome.request, request)) return false;
    // What somebody else has opened may know more of a single incident by now.
    const isTold = outcome.status === 'created' || last.storm !== undefined;
    await this.finish(last, isTold ? outcome.request : undefined, deadline);
    return true;
  }

  /**
   * Forgets that it recurred, for the next generation carries that. Until then it may have been told of what resolved, by who did not see the
   * next one yet, and nobody will say it again.
   * @param next who is to be told of that
   */
  private async finish(last: KnownRequest, next: RequestRef | undefined, deadline: AbortSignal): Promise<void> {
    const decide = async (known: KnownRequest | undefined) => {
      if (known === undefined) return {};
      if (next !== undefined && last.storm !== undefined) await this.storms.tellResolved(last, known, next, deadline);
      else if (next !== undefined) await this.tellResolved(last, known, next, deadline);
      return known.recurredAt === undefined ? {} : { patch: { signal: { recurredAt: null } } };
    };
    try {
      await this.writer.write(refOf(last), decide, deadline);
    } catch (error) {
      // It would be refused again and again; that it recurred stays, and means nothing while there is a later generation.
      if (!(error instanceof KubernetesApiError && isPermanent(error.failure))) throw error;
      this.log.warn({ remediation_request: keyOf(last), reason: error.message }, 'status of a request is refused');
    }
  }

  private async tellResolved(
    { firingAlerts, severity }: KnownRequest,
    after: KnownRequest,
    next: RequestRef,
    deadline: AbortSignal,
  ): Promise<void> {
    const resolved = firingAlerts
      .filter(({ alert }) => !after.firingAlerts.some((one) => one.alert === alert))
      .map(({ alert }) => ({ status: 'resolved' as const, alert, severity, receivedAt: this.clock.now() }));
    if (resolved.length > 0) await this.status.note(next, this.index.get(next), resolved, undefined, deadline);
  }
}
