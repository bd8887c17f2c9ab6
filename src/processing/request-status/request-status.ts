import { beforeDeadline, deadlineIn } from '../../deadline';
import { isPermanent, KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import type { KnownRequest } from '../../kubernetes/known-request';
import type { LogSink } from '../../logging/log-sink';
import { messageOf } from '../../error-message';
import { outsideRequests } from '../../outside-requests';
import { jittered } from '../../pause';
import type { Occurrences } from '../../state/signal-state';
import { recentlyUsed } from '../../recently-used';
import { keyOf, type RequestRef } from '../../request-ref';
import { concurrently } from '../concurrently';
import type { StatusWriter } from '../status-writer';
import { deduplicationAfter, signalStatusAfter } from './signal-status';
import { firingLast, type Sighting } from './sighting';
import { WriteSchedule } from './write-schedule';

/** What is to be written to a request. */
interface Change {
  /** The last of each alert of the sender. */
  readonly sightings: Map<string, Sighting>;
  /** Of these alerts it was acknowledged before it is written. */
  readonly owed: Set<string>;
  seen: Counted | undefined;
}

type Counted = { -readonly [Member in keyof Occurrences]: Occurrences[Member] };

interface Pending extends Change {
  readonly ref: RequestRef;
  /** Those who answer their sender only when it is written. */
  waiters: PromiseWithResolvers<KnownRequest | undefined>[];
  /** The write that is under way. */
  running: Promise<void> | undefined;
  /** Whether what is being written may change how the signal stands. */
  changing: boolean;
  /** In a row. */
  failures: number;
  /** When its count may be written alone, by the monotonic clock: an interval after the last write. */
  countableAt: number;
}

/** What one write is about. */
type TakenChange = Change & Pick<Pending, 'waiters'>;

const maxPending = 10_000;
const maxRefused = 1_000;
/** Of which only counts wait: what senders wait for must always find room beside them. */
const maxCounting = 5_000;
/** Of one object; what a webhook is processed in at once fits. */
const maxSightings = 512;
/** Counts are written at most so often per object, and first after a moment in which others can join. Milliseconds. */
const countIntervalMs = 1_000;
const firstCountMs = 250;
const retryMs = 1_000;
const maxRetryMs = 30_000;
const writeTimeoutMs = 4_500;

/**
 * Writes to `status` what signals say about a request that exists: how often it was seen, whether it still fires.
 *
 * Changes of one object are written one after the other and together, guarded by its `resourceVersion` and read again when
 * that has moved on. Counts are absolute, follow within about a second unless the process is busy, and never go down; a failure keeps
 * them for later.
 */
export class RequestStatus {
  private readonly pending = new Map<string, Pending>();
  /** What a sender waits for is not held up by it, and what decides about requests not by counts. */
  private readonly counts = new WriteSchedule<Pending>((entry) => this.write(entry), hasSightings);
  private failing = false;
  /** Whose refusal is told. */
  private readonly refused = recentlyUsed<string, true>(maxRefused);
  private ending = false;

  constructor(
    private readonly writer: StatusWriter,
    private readonly log: LogSink,
  ) {}

  get pendingCount(): number {
    return this.pending.size;
  }

  /**
   * Takes sightings that change nothing in how the signal stands, which is most: how often it was seen is written behind the
   * caller's back. Answers false, and takes nothing, when somebody has to wait for the API server; see `note`.
   * @param known the request as last seen, if it could be; else that it fires is kept until the API server answers again
   */
  noteBehind(
    ref: RequestRef,
    known: KnownRequest | undefined,
    sightings: readonly Sighting[],
    seen: Occurrences | undefined,
  ): boolean {
    if (known === undefined) {
      if (hasResolved(sightings)) return false;
      this.later(ref, sightings, seen);
      return true;
    }
    const entry = this.pending.get(keyOf(ref));
    if (entry?.changing === true || signalStatusAfter(known, sightings) !== undefined || hasResolved(sightings))
      return false;
    // What waits to be written may be older than this.
    if (seen !== undefined || hasSightings(entry)) this.later(ref, hasSightings(entry) ? sightings : [], seen);
    return true;
  }

  /**
   * Takes sightings of the signal that `ref` carries. What changes how its signal stands is acknowledged by the API server
   * when this resolves.
   * @returns the request as it then stands; `undefined` if it was deleted or cannot be read now
   * @throws KubernetesApiError, DeadlineExceededError
   */
  async note(
    ref: RequestRef,
    known: KnownRequest | undefined,
    sightings: readonly Sighting[],
    seen: Occurrences | undefined,
    deadline: AbortSignal,
  ): Promise<KnownRequest | undefined> {
    if (this.noteBehind(ref, known, sightings, seen)) return known;
    return this.now(ref, sightings, seen, deadline);
  }

  /** Writes what is still open, counts of the last second as well, for as long as the deadline allows. Nothing comes after it. */
  async flush(deadline: AbortSignal): Promise<void> {
    this.ending = true;
    const open = [...this.pending.values()].sort((a, b) => Number(hasSightings(b)) - Number(hasSightings(a)));
    // Not all at once: the client refuses what waits beyond its bound.
    await concurrently(open, (entry) => beforeDeadline(entry.running ?? this.write(entry), deadline)).catch(
      () => undefined,
    );
    this.counts.clear();
    this.pending.clear();
  }

  private now(
    ref: RequestRef,
    sightings: readonly Sighting[],
    seen: Occurrences | undefined,
    deadline: AbortSignal,
  ): Promise<KnownRequest | undefined> {
    const entry = this.entryOf(ref);
    if (entry === undefined)
      return Promise.reject(new KubernetesApiError('overloaded', 'too many status patches wait for the API server'));
    merge(entry, sightings, seen);
    for (const { alert } of sightings) entry.owed.delete(alert);
    const waiter = Promise.withResolvers<KnownRequest | undefined>();
    entry.waiters.push(waiter);
    // It goes on with what others ask for meanwhile.
    void outsideRequests(() => this.write(entry));
    return beforeDeadline(waiter.promise, deadline);
  }

  /** When there is no room, the next sighting brings what is lost here. */
  private later(ref: RequestRef, sightings: readonly Sighting[], seen: Occurrences | undefined): void {
    const entry = this.entryOf(ref, sightings.length > 0 ? maxPending : maxCounting);
    if (entry === undefined) return;
    merge(entry, sightings, seen);
    for (const { alert } of sightings) entry.owed.add(alert);
    this.schedule(entry, firstCountMs);
  }

  private entryOf(ref: RequestRef, limit = maxPending): Pending | undefined {
    const key = keyOf(ref);
    let entry = this.pending.get(key);
    if (entry === undefined) {
      if (this.pending.size >= limit) return undefined;
      entry = {
        ref,
        sightings: new Map(),
        owed: new Set(),
        seen: undefined,
        waiters: [],
        running: undefined,
        changing: false,
        failures: 0,
        countableAt: 0,
      };
      this.pending.set(key, entry);
    }
    return entry;
  }

  /** Unless a write is under way, which will go on with it. */
  private schedule(entry: Pending, afterMs: number): void {
    if (entry.running !== undefined) return;
    this.counts.add(entry, Math.max(afterMs, entry.countableAt - performance.now()));
  }

  /** It is kept until it may be written again: who comes earlier has to wait for that. */
  private forgetLater(entry: Pending): void {
    const key = keyOf(entry.ref);
    setTimeout(() => {
      const isIdle = entry.running === undefined && !hasWork(entry);
      if (isIdle && this.pending.get(key) === entry) this.pending.delete(key);
    }, countIntervalMs).unref();
  }

  /** Writes all that is open of an entry and due. Never rejects: who waits is told. */
  private async write(entry: Pending): Promise<void> {
    if (entry.running !== undefined || !hasWork(entry)) return;
    entry.running = this.writeAll(entry);
    await entry.running;
  }

  private async writeAll(entry: Pending): Promise<void> {
    do {
      const change = take(entry);
      const due = deadlineIn(writeTimeoutMs);
      try {
        const written = await this.apply(entry, change, due.signal);
        entry.failures = 0;
        if (this.failing) this.log.info({}, 'status of requests is written again');
        this.failing = false;
        for (const { resolve } of change.waiters) resolve(written);
      } catch (error) {
        for (const { reject } of change.waiters) reject(error);
        this.failed(entry, change, error);
      } finally {
        due.clear();
      }
      // What only counts waits its time; what a sender waits for does not, and at the end nothing does.
    } while (entry.waiters.length > 0 || (this.ending && hasWork(entry) && entry.failures === 0));
    entry.running = undefined;
    entry.changing = false;
    const { failures } = entry;
    if (!hasWork(entry)) this.forgetLater(entry);
    else if (failures === 0) this.schedule(entry, 0);
    else this.schedule(entry, jittered(Math.min(retryMs * 2 ** (failures - 1), maxRetryMs)));
  }

  /**
   * What was acknowledged is kept; not what is refused for good, which no repetition would write. Of the rest the senders have been told: they come again,
   * and may say something else by then.
   */
  private failed(entry: Pending, change: TakenChange, error: unknown): void {
    if (error instanceof KubernetesApiError && isPermanent(error.failure)) {
      const key = keyOf(entry.ref);
      if (!this.refused.has(key))
        this.log.warn({ remediation_request: key, reason: error.message }, 'status of a request is refused');
      this.refused.set(key, true);
      entry.countableAt = performance.now() + countIntervalMs;
      return;
    }
    entry.failures++;
    for (const [alert, sighting] of change.sightings) {
      if (!change.owed.has(alert) || entry.sightings.has(alert)) continue;
      entry.sightings.set(alert, sighting);
      entry.owed.add(alert);
    }
    if (change.seen !== undefined) count(entry, change.seen);
    if (!this.failing) this.log.warn({ reason: messageOf(error) }, 'status of requests cannot be written now');
    this.failing = true;
  }

  /** @returns the request as it then stands, `undefined` when it is gone */
  private async apply(entry: Pending, change: TakenChange, signal: AbortSignal): Promise<KnownRequest | undefined> {
    const countsAreDue = this.ending || performance.now() >= entry.countableAt;
    entry.changing = change.sightings.size > 0;
    const toldOnce = hasResolved(change.sightings.values());
    const decide = (known: KnownRequest | undefined) => {
      if (known === undefined) return {};
      const { patch, postponed } = patchFor(known, change, countsAreDue);
      if (postponed !== undefined) count(entry, postponed);
      return { patch, mustBeSo: toldOnce };
    };
    const { request, patched } = await this.writer.write(entry.ref, decide, signal);
    if (patched) entry.countableAt = performance.now() + countIntervalMs;
    return request;
  }
}

/** Of one batch, firing wins over resolved: it comes last, and takes the place of one that resolved when there is no other. */
function merge(entry: Change, sightings: readonly Sighting[], seen: Occurrences | undefined): void {
  for (const sighting of sightings.length > 1 ? firingLast(sightings) : sightings) {
    if (entry.sightings.size >= maxSightings && !entry.sightings.has(sighting.alert)) {
      const [evicted] = [...entry.sightings.values()].filter(({ status }) => status === 'resolved');
      if (evicted === undefined || sighting.status === 'resolved') continue;
      entry.sightings.delete(evicted.alert);
    }
    entry.sightings.set(sighting.alert, sighting);
  }
  if (seen !== undefined) count(entry, seen);
}

/**
 * Keeps the higher count: its numbers alone, and in the same place. It waits longer than V8 takes something for young, and what
 * it was told with would grow old with it at every sighting.
 */
function count(entry: Change, { count, firstSeen, lastSeen }: Occurrences): void {
  const { seen } = entry;
  if (seen === undefined) entry.seen = { count, firstSeen, lastSeen };
  else if (count >= seen.count) {
    seen.count = count;
    seen.firstSeen = firstSeen;
    seen.lastSeen = lastSeen;
  }
}

/** Senders say it once: that it changes nothing has to be true of the object itself, not of what the watch shows. */
function hasResolved(sightings: Iterable<Sighting>): boolean {
  for (const { status } of sightings) if (status === 'resolved') return true;
  return false;
}

function hasSightings(entry: Pending | undefined): boolean {
  return entry !== undefined && entry.sightings.size > 0;
}

function hasWork({ sightings, seen, waiters }: Pending): boolean {
  return sightings.size > 0 || seen !== undefined || waiters.length > 0;
}

function take(entry: Pending): TakenChange {
  const { seen, waiters } = entry;
  const taken = { sightings: new Map(entry.sightings), owed: new Set(entry.owed), seen, waiters };
  entry.sightings.clear();
  entry.owed.clear();
  entry.seen = undefined;
  entry.waiters = [];
  return taken;
}

/** Counts go along with what must be written anyway; alone they wait until they are due. */
function patchFor(
  known: KnownRequest,
  { sightings, seen }: Change,
  countsAreDue: boolean,
): { readonly patch?: object; readonly postponed?: Occurrences } {
  // How a storm stands is written by its group commits.
  const isStorm = known.storm !== undefined;
  const signal = isStorm ? undefined : signalStatusAfter(known, [...sightings.values()]);
  const deduplication = isStorm ? undefined : seen && deduplicationAfter(known, seen);
  if (signal !== undefined) return { patch: { signal, ...(deduplication ? { deduplication } : {}) } };
  if (deduplication === undefined || seen === undefined) return {};
  return countsAreDue ? { patch: { deduplication } } : { postponed: seen };
}
