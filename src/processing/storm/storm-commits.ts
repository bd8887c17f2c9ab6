import { randomBytes } from 'node:crypto';
import { outsideRequests } from '../../outside-requests';
import type { Clock } from '../../clock';
import { beforeDeadline, deadlineIn } from '../../deadline';
import { KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import type { KnownRequest, KnownStorm } from '../../kubernetes/known-request';
import { keyOf, type RequestRef } from '../../request-ref';
import type { StormMembers } from '../../state/storm-members';
import type { StormWindow } from '../../state/storm-windows';
import type { StatusDecision, StatusWriter } from '../status-writer';
import { recordedIn, stormStatusAfter, type MemberChange, type StormChange, type UnnamedMembers } from './storm-status';

/** The request of a storm is over, or gone: nobody can join it any more. */
export class StormOverError extends Error {
  override readonly name = 'StormOverError';
}

export interface Committed {
  /** As it stands now. */
  readonly request: KnownRequest;
  /** By fingerprint: whether the member fires; none of who is not part of the storm. */
  readonly firing: ReadonlyMap<string, boolean>;
}

interface Waiter {
  readonly change: StormChange;
  readonly deadline: AbortSignal;
  readonly written: PromiseWithResolvers<Committed>;
}

interface Pending {
  readonly ref: RequestRef;
  waiters: Waiter[];
  /** Said by them. */
  changes: number;
  running: boolean;
  /** When it was written last, by the monotonic clock. */
  writtenAt: number;
  timer?: NodeJS.Timeout;
}

const writeTimeoutMs = 4_500;
/** With so many to be written nobody waits for the interval. */
const enough = 200;
/** Members that wait for a write; each has a sender that waits for its answer. */
const maxWaiting = 100_000;

/**
 * Group commit: what many signals say of one storm is one write, at most one in `flushIntervalMs`, and everyone is answered when
 * the API server has acknowledged it.
 *
 * Who is a member is recorded first, in the memory that replicas share, and the counts are written as it then tells them:
 * so a signal counts once, though the process may die between the two and another take it again.
 */
export class StormCommits {
  private readonly pending = new Map<string, Pending>();
  /** What names the writes of this process: with the memory that replicas share, and with its own. */
  private readonly shared = `${randomBytes(8).toString('hex')}-`;
  private readonly apart = `apart-${this.shared}`;
  private writes = 0;
  private waiting = 0;

  constructor(
    private readonly members: StormMembers,
    private readonly writer: StatusWriter,
    private readonly clock: Clock,
    private readonly flushIntervalMs: () => number,
  ) {}

  /** Signals that wait for a write. */
  get waitingCount(): number {
    return this.waiting;
  }

  /**
   * Writes how signals of a storm stand.
   * @throws StormOverError when some of them join, and nobody can any more
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError
   */
  async commit(ref: RequestRef, change: StormChange, deadline: AbortSignal): Promise<Committed> {
    const size = change.members.length;
    if (this.waiting + size > maxWaiting)
      throw new KubernetesApiError('overloaded', 'too many members of storms wait for the API server');
    const entry = this.entryOf(ref);
    const waiter = { change, deadline, written: Promise.withResolvers<Committed>() };
    entry.waiters.push(waiter);
    entry.changes += size;
    this.waiting += size;
    this.schedule(entry);
    try {
      return await beforeDeadline(waiter.written.promise, deadline);
    } finally {
      this.waiting -= size;
    }
  }

  /**
   * Which of these fingerprints the memory knows as members of a storm, and whether there are members whose names are lost.
   * @throws StateUnavailableError
   */
  async membersAmong(
    request: KnownRequest,
    fingerprints: readonly string[],
  ): Promise<{ readonly known: ReadonlyMap<string, boolean>; readonly hasLostNames: boolean }> {
    const { storm } = request;
    if (storm === undefined) return { known: new Map(), hasLostNames: false };
    const { firing, approximate } = await this.record(request, storm, { members: [] }, fingerprints);
    return { known: firing, hasLostNames: storm.approximate || approximate };
  }

  /** As `commit`, for what nobody waits for: that a signal still fires, by which of its alerts. */
  remember(ref: RequestRef, change: StormChange): void {
    const due = deadlineIn(writeTimeoutMs);
    this.commit(ref, change, due.signal)
      .catch(() => undefined)
      .finally(() => due.clear());
  }

  private entryOf(ref: RequestRef): Pending {
    const key = keyOf(ref);
    let entry = this.pending.get(key);
    if (entry === undefined) {
      entry = { ref, waiters: [], changes: 0, running: false, writtenAt: Number.NEGATIVE_INFINITY };
      this.pending.set(key, entry);
    }
    return entry;
  }

  /** The first is written at once; who comes while that is under way, or soon after, shares the next. */
  private schedule(entry: Pending): void {
    if (entry.running || (entry.timer !== undefined && entry.changes < enough)) return;
    clearTimeout(entry.timer);
    const pauseMs = entry.changes < enough ? entry.writtenAt + this.flushIntervalMs() - performance.now() : 0;
    entry.timer = outsideRequests(() => setTimeout(() => void this.write(entry), Math.max(0, pauseMs)));
  }

  /** Never rejects: who waits is told. */
  private async write(entry: Pending): Promise<void> {
    delete entry.timer;
    entry.running = true;
    // Who gave up was told to come again, and may say something else by then.
    const waiters = entry.waiters.filter(({ deadline }) => !deadline.aborted);
    entry.waiters = [];
    entry.changes = 0;
    const due = deadlineIn(writeTimeoutMs);
    try {
      // What asked for nothing holds up nobody.
      if (await this.apply(entry.ref, waiters, due.signal)) entry.writtenAt = performance.now();
    } catch (error) {
      for (const { written } of waiters) written.reject(error);
    } finally {
      due.clear();
    }
    entry.running = false;
    if (entry.waiters.length > 0) this.schedule(entry);
    else this.forgetLater(entry);
  }

  /** It is kept until it may be written again: who comes earlier has to wait for that. */
  private forgetLater(entry: Pending): void {
    setTimeout(() => {
      const isIdle = !entry.running && entry.timer === undefined && entry.waiters.length === 0;
      if (isIdle && this.pending.get(keyOf(entry.ref)) === entry) this.pending.delete(keyOf(entry.ref));
    }, this.flushIntervalMs()).unref();
  }

  /** Answers whether the API server was asked. */
  private async apply(ref: RequestRef, all: readonly Waiter[], signal: AbortSignal): Promise<boolean> {
    let waiters = all;
    let firing: Committed['firing'] = new Map();
    let isAgain = false;
    const decide = async (known: KnownRequest | undefined): Promise<StatusDecision> => {
      const storm = known?.storm;
      if (known === undefined || storm === undefined || known.overSince !== undefined)
        waiters = whoMayStay(waiters, ref, storm);
      if (known === undefined || storm === undefined || waiters.length === 0) return {};
      const change = together(waiters, isAgain);
      isAgain = true;
      // After the object was read: who writes between the two makes this write a conflict.
      const tally = await this.record(known, storm, change);
      firing = tally.firing;
      const writer = `${tally.apart ? this.apart : this.shared}${++this.writes}`;
      return {
        patch: stormStatusAfter(known, storm, tally, change, writer, this.clock.now()),
        // Where the memory knows of writes that the watch may not show yet, and of what resolved, which senders say once.
        mustBeSo: tally.version > storm.version + 1 || change.members.some((member) => !member.firing),
      };
    };
    const { request, asked } = await this.writer.write(ref, decide, signal);
    if (request !== undefined) for (const { written } of waiters) written.resolve({ request, firing });
    return asked;
  }

  private record(
    known: KnownRequest,
    storm: KnownStorm,
    { members, unnamed }: Omit<StormChange, 'window'>,
    asked?: readonly string[],
  ) {
    const recorded = recordedIn(known, storm, storm.writer?.startsWith(this.apart) === true, this.clock.now());
    const begins = storm.version === 0 && unnamed !== undefined ? { ...recorded, ...countsOf(unnamed) } : recorded;
    return this.members.record(`${keyOf(known)}/${storm.uid}`, begins, members, asked);
  }
}

/** Of a storm that is over, or gone: who is a member already can still resolve, the others are told. */
function whoMayStay(waiters: readonly Waiter[], ref: RequestRef, storm: KnownStorm | undefined): readonly Waiter[] {
  return waiters.filter(({ change, written }) => {
    const mayStay = storm !== undefined && change.window === undefined;
    if (!mayStay) written.reject(new StormOverError(`the storm ${keyOf(ref)} is over`));
    return mayStay;
  });
}

/** What a request counts that nothing was written to. */
function countsOf({ count, joinedBy, maybeTwice }: UnnamedMembers) {
  return {
    alertCount: count,
    totalAffectedResources: count,
    lastMemberAt: joinedBy,
    isQuiet: true,
    listsAll: false,
    maybeTwice,
  };
}

/**
 * What is said later of a signal counts.
 * @param again whether it may have been recorded before
 */
function together(waiters: readonly Waiter[], again: boolean): StormChange {
  const members = new Map<string, MemberChange>();
  let window: StormWindow | undefined;
  let unnamed: UnnamedMembers | undefined;
  const precededBy: string[] = [];
  // What goes on from an earlier generation was said before all else.
  const said = waiters.flatMap(({ change }) => change.members).toSorted((a, b) => a.said - b.said);
  for (const member of said)
    members.set(`${member.fingerprint} ${member.alert}`, again ? { ...member, again } : member);
  for (const { change } of waiters) {
    if (change.window !== undefined && change.window.lastMemberAt >= (window?.lastMemberAt ?? 0))
      window = change.window;
    precededBy.push(...(change.precededBy ?? []));
    unnamed ??= change.unnamed;
  }
  return { members: [...members.values()], window, precededBy, unnamed };
}
