import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock';
import { formatDuration } from '../../config/duration';
import { beforeDeadline } from '../../deadline';
import type { Classification } from '../../kubernetes/remediation-request.factory';
import type { KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import type { StormSpec } from '../../kubernetes/remediation-request';
import type { LogSink } from '../../logging/log-sink';
import type { GatewayMetrics } from '../../metrics/gateway-metrics';
import { recentlyUsed } from '../../recently-used';
import { isMoreSevere } from '../../signal/severity';
import type { Signal } from '../../signal/signal';
import { keyOf, type RequestRef } from '../../request-ref';
import {
  isOpen,
  type StormGroup,
  type StormRules,
  type StormWindow,
  type StormWindows,
} from '../../state/storm-windows';
import { concurrently } from '../concurrently';
import type { Standing } from '../deduplication/standing';
import type { RequestOpener } from '../request-opener';
import type { StormMetadata } from '../signal-outcome';
import { StormOverError, type Committed, type StormCommits } from './storm-commits';
import { mayCarryUnnamed, names, type StormLookup } from './storm-lookup';
import { resourceOf, tokensOf, type SignalGroup } from './storm-group';
import { changeOf, firingMembersOf, isBygone, windowOf, type MemberChange, type StormChange } from './storm-status';

/** Signals of one webhook that are part of one storm. */
export interface StormySignals {
  readonly group: SignalGroup;
  /** In the order of the webhook; the first may be the one that made a storm of what was before it. */
  readonly signals: readonly [Signal, ...Signal[]];
  readonly window: StormWindow;
}

/** How a signal stands that a storm's request carries. */
type Carried = Extract<Standing, { kind: 'carried' }>;

/** What became of new signals when they were counted. */
export interface PlacedSignals {
  readonly stormy: readonly StormySignals[];
  /** Those of a storm that is over, and counts for them. */
  readonly carried: ReadonlyMap<Signal, Carried>;
}

/** Signals of one group that may be new to it, and its window where that is known. */
interface Counted {
  readonly group: SignalGroup;
  readonly known: StormWindow | undefined;
  readonly overSince: number | undefined;
  readonly candidates: readonly Signal[];
}

/** The request that carries a storm, and whether it was created for these signals. */
export interface JoinedStorm {
  readonly request: KnownRequest;
  readonly created?: { readonly classification: Classification; readonly generation: number } | undefined;
}

interface Opening {
  readonly joined: Promise<JoinedStorm | 'over'>;
  /** Of the webhook that opens it. */
  readonly deadline: AbortSignal;
}

/** Says how urgent a storm is, by its first signal. */
export type ClassifyStorm = (signal: Signal) => Promise<Classification>;

/** How long new signals are counted (contract, section 6). Milliseconds. */
export const rateWindowMs = 60_000;
export const patternWindowMs = 120_000;
/** Resources that an answer names; the request names more. */
const maxAnswered = 10;
const maxUnlinked = 1_000;

/** Many alike signals at once are one storm: one request, created when it is noticed, that later ones join. */
export class Storms {
  /** Requests that this process is creating, by group, so that its other webhooks wait instead of trying as well. */
  private readonly opening = new Map<string, Opening>();
  /** By group: the signals before a storm whose request could not be told of them yet. */
  private readonly unlinked = recentlyUsed<string, readonly string[]>(maxUnlinked);

  constructor(
    private readonly windows: StormWindows,
    private readonly commits: StormCommits,
    private readonly lookup: StormLookup,
    private readonly index: RemediationRequestIndex,
    private readonly opener: RequestOpener,
    private readonly clock: Clock,
    private readonly rules: () => StormRules,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  /**
   * Counts new signals; answers those that are part of a storm, and those that one carries already. The others are ordinary.
   * @throws StateUnavailableError, KubernetesApiError
   */
  async place(signals: readonly Signal[], deadline: AbortSignal): Promise<PlacedSignals> {
    const groups = new Map<string, { group: SignalGroup; signals: Signal[] }>();
    for (const signal of signals) {
      const group = this.lookup.groupOf(signal);
      if (group === undefined) continue;
      const same = groups.get(group.fingerprint);
      if (same === undefined) groups.set(group.fingerprint, { group, signals: [signal] });
      else same.signals.push(signal);
    }
    const found = await concurrently([...groups.keys()], (fingerprint) => this.index.find(fingerprint, deadline));
    const stormy: StormySignals[] = [];
    const asked: Counted[] = [];
    const carried = new Map<Signal, Carried>();
    let g = 0;
    for (const { group, signals: all } of groups.values()) {
      const requests = found[g++] ?? [];
      const standing = this.lookup.standing(group, requests);
      const last = standing.kind === 'carried' ? standing.request : standing.over;
      const isLive = last?.overSince === undefined;
      const mayBeMembers = new Map<Signal, Carried>();
      for (const signal of all) {
        const standing = this.lookup.standing(group, requests, signal.occurredAt);
        if (standing.kind === 'carried') mayBeMembers.set(signal, standing);
      }
      const members = last === undefined ? [] : await this.membersOf(last, [...mayBeMembers.keys()]);
      const candidates = members.length === 0 ? all : all.filter((signal) => !members.includes(signal));
      const window = isLive && last?.storm !== undefined ? windowOf(last.storm) : undefined;
      if (candidates.length > 0) asked.push({ group, known: window, overSince: last?.overSince, candidates });
      const [first, ...rest] = members;
      if (first === undefined) continue;
      if (window !== undefined) stormy.push({ group, signals: [first, ...rest], window });
      else
        for (const member of members) {
          const standing = mayBeMembers.get(member);
          if (standing !== undefined) carried.set(member, standing);
        }
    }
    if (asked.length === 0) return { stormy, carried };
    const placed = await this.windows.place(asked.map(toCount), this.rules());
    for (const [i, { group, candidates }] of asked.entries()) {
      const placements = placed[i] ?? [];
      const begin = placements.find((placement) => placement.kind !== 'ordinary');
      if (begin === undefined) continue;
      const [first, ...rest] = candidates.filter((_, c) => placements[c]?.kind !== 'ordinary');
      if (first === undefined) continue;
      if (begin.kind === 'crossing') this.unlinked.set(group.fingerprint, begin.before);
      stormy.push({ group, signals: [first, ...rest], window: begin.window });
    }
    return { stormy, carried };
  }

  /**
   * Takes signals into their storm, whose request is created if there is none. It carries them when this resolves.
   * @param said all that their sender says of them: what is one signal to us may be several alerts to it
   * @returns `over` when it cannot: its request is over and cooling down, so that its signals are ordinary again
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError and what opening a request throws
   */
  async join(
    stormy: StormySignals,
    said: readonly Signal[],
    claim: string,
    classify: ClassifyStorm,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const { group, window } = stormy;
    try {
      const opened = await this.requestFor(stormy, claim, classify, deadline);
      if (opened !== 'over') {
        const { request } = await this.commit(opened.request, { members: said.map(changeOf), window }, deadline);
        return { ...opened, request };
      }
    } catch (error) {
      if (!(error instanceof StormOverError)) throw error;
    }
    await this.windows.close(group.fingerprint);
    return 'over';
  }

  /** Whether a group has a storm request that is live or cooling down, as the watch shows it. */
  hasRequest(group: SignalGroup): boolean {
    return this.lookup.standing(group, this.index.peek(group.fingerprint)).kind === 'carried';
  }

  /** As `note`, of one incident of which alerts resolved and that has a request of its own: a storm that names it as well would fire for ever. */
  async noteIfNamed(said: readonly Signal[], deadline: AbortSignal): Promise<void> {
    const [first] = said;
    const request = first && this.lookup.naming(first);
    if (request !== undefined) await this.note(request, said, deadline);
  }

  /**
   * Takes what is said of signals that are part of a storm already. What changes how they stand is acknowledged by the API server
   * when this resolves.
   * @returns who of them is part of it, and whether it fires
   * @throws StormOverError when the request is gone
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError
   */
  async note(request: KnownRequest, said: readonly Signal[], deadline: AbortSignal): Promise<Committed['firing']> {
    const members = said.map(changeOf).filter((member) => !isBygone(request, member));
    if (members.length === 0) return new Map();
    if (!this.unlinked.has(request.fingerprint) && members.every((member) => saysNothingNew(request, member))) {
      // Only which of its alerts fire may be new.
      this.commits.remember(request, { members });
      return new Map(members.map(({ fingerprint }) => [fingerprint, true]));
    }
    const before = this.lookup.carriedOnBy(request);
    const { firing } = await this.commit(request, { members }, deadline);
    const untold = members.filter((member) => !member.firing && !firing.has(member.fingerprint));
    if (before === undefined || untold.length === 0) return firing;
    // Who goes on with it from the one before will be told by that.
    const earlier = await this.commits.commit(before, { members: untold }, deadline);
    return new Map([...firing, ...earlier.firing]);
  }

  /**
   * Opens the next generation of a storm that goes on although its request is over, and has it carry the members that still fire.
   * @throws StormOverError, KubernetesApiError, StateUnavailableError, DeadlineExceededError and what opening a request throws
   */
  async reopen(
    signal: Signal,
    before: KnownRequest,
    spec: StormSpec,
    classification: Classification,
    deadline: AbortSignal,
  ): Promise<JoinedStorm> {
    const storm = { title: this.lookup.groupOf(signal)?.title ?? signal.name, spec };
    const incident = { signal, firingAlerts: [], claim: randomUUID(), storm };
    const opened = await this.opener.open(incident, classification, before.generation + 1, deadline);
    if (opened.kind === 'carried') return { request: await this.carryOn(before, opened.request, deadline) };
    const request = await this.carryOn(before, opened.known, deadline);
    return { request, created: { classification, generation: opened.generation } };
  }

  /** Has a later generation, which exists by now, carry the members of an earlier one that still fire. Repeated, it changes nothing. */
  async carryOn(before: KnownRequest, into: KnownRequest, deadline: AbortSignal): Promise<KnownRequest> {
    if (before.storm === undefined) return into;
    const now = this.clock.now();
    const { type, alertCount, resolvedCount, maybeTwice } = before.storm;
    const members = firingMembersOf(before, now);
    const count = alertCount - resolvedCount - members.length;
    // Who is named is none of these.
    const unnamed = count > 0 ? { count, joinedBy: now - 1, maybeTwice } : undefined;
    const window = { type, openedAt: now, lastMemberAt: now };
    return (await this.commits.commit(into, { members, unnamed, window }, deadline)).request;
  }

  /** Tells a later generation, which carries on with `before`, who of that has resolved by what the earlier one says now. */
  async tellResolved(
    before: KnownRequest,
    after: KnownRequest,
    into: RequestRef,
    deadline: AbortSignal,
  ): Promise<void> {
    const now = this.clock.now();
    const still = new Set(firingMembersOf(after, now).map(({ fingerprint }) => fingerprint));
    const resolved = firingMembersOf(before, now)
      .filter(({ fingerprint }) => !still.has(fingerprint))
      .map((member): MemberChange => ({ ...member, firing: false, said: now }));
    if (resolved.length > 0) await this.commits.commit(into, { members: resolved }, deadline);
  }

  /** What a sender is told of the storm that its signal is part of. */
  metadataOf({ storm }: KnownRequest, pattern: string): StormMetadata {
    const resources = storm?.affectedResources.slice(0, maxAnswered) ?? [];
    return {
      type: storm?.type ?? 'rate',
      pattern,
      alertCount: storm?.alertCount ?? 0,
      affectedResources: resources.map(({ kind, name, namespace }) =>
        namespace === undefined ? `${kind}/${name}` : `${namespace}/${kind}/${name}`,
      ),
      totalAffectedResources: storm?.totalAffectedResources ?? 0,
      aggregationWindow: formatDuration(this.rules().aggregationWindowMs),
    };
  }

  /**
   * Of signals without an entry, those that are part of a storm already, however long nobody joined: it names them, the memory knows them, or
   * their names may be among those that are lost. While its window is open, who is not named joins by that.
   */
  private async membersOf(request: KnownRequest, signals: readonly Signal[]): Promise<readonly Signal[]> {
    const isNamed = (signal: Signal) => names(request, signal);
    const isJoined =
      request.overSince === undefined &&
      request.storm !== undefined &&
      isOpen(windowOf(request.storm), this.rules(), this.clock.now());
    if (isJoined || signals.every(isNamed)) return signals.filter(isNamed);
    const fingerprints = signals.map(({ fingerprint }) => fingerprint);
    const { known, hasLostNames } = await this.commits.membersAmong(request, fingerprints);
    return signals.filter(
      (signal) =>
        isNamed(signal) || known.has(signal.fingerprint) || (hasLostNames && mayCarryUnnamed(request, signal)),
    );
  }

  /** With the links to what was before, where the storm was not told of that yet. */
  private async commit(request: KnownRequest, change: StormChange, deadline: AbortSignal): Promise<Committed> {
    const before = this.unlinked.get(request.fingerprint) ?? [];
    const committed = await this.commits.commit(request, { ...change, precededBy: this.requestsOf(before) }, deadline);
    this.unlinked.delete(request.fingerprint);
    return committed;
  }

  private async requestFor(
    stormy: StormySignals,
    claim: string,
    classify: ClassifyStorm,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const { group } = stormy;
    const standing = this.lookup.standing(group, await this.index.find(group.fingerprint, deadline));
    if (standing.kind === 'carried')
      return standing.request.overSince === undefined ? { request: standing.request } : 'over';
    const running = this.opening.get(group.fingerprint);
    if (running !== undefined) {
      try {
        const joined = await beforeDeadline(running.joined, deadline);
        // It was created for the one that opened it.
        return joined === 'over' ? joined : { request: joined.request };
      } catch (error) {
        if (!running.deadline.aborted || deadline.aborted) throw error;
        // The time of who opened it was over, and ours is not.
        return this.requestFor(stormy, claim, classify, deadline);
      }
    }
    const joined = this.open(stormy, claim, classify, standing.generation, deadline).finally(() =>
      this.opening.delete(group.fingerprint),
    );
    this.opening.set(group.fingerprint, { joined, deadline });
    return joined;
  }

  private async open(
    { group, signals: [first], window: { type } }: StormySignals,
    claim: string,
    classify: ClassifyStorm,
    generation: number,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const classification = await classify(first);
    const { rateThreshold, patternThreshold } = this.rules();
    const crossed =
      type === 'rate'
        ? { window: formatDuration(rateWindowMs), threshold: rateThreshold }
        : { window: formatDuration(patternWindowMs), threshold: patternThreshold };
    // Its identity, name and place are the group's; what it looks like is that of its first signal.
    const signal = { ...first, fingerprint: group.fingerprint, namespace: group.namespace };
    const spec = { isStorm: true, type, ...crossed } as const;
    const storm = { title: group.title, spec, firstMember: first.fingerprint };
    const opened = await this.opener.open(
      { signal, firingAlerts: [], claim, storm },
      classification,
      generation,
      deadline,
    );
    if (opened.kind === 'carried') return opened.request.overSince === undefined ? { request: opened.request } : 'over';
    this.metrics.stormsDetected.count({ type });
    this.log.warn({ remediation_request: keyOf(opened.request), type }, `storm detected for pattern: ${group.pattern}`);
    return { request: opened.known, created: { classification, generation: opened.generation } };
  }

  private requestsOf(fingerprints: readonly string[]): string[] {
    const found = fingerprints.flatMap((fingerprint) => this.index.peek(fingerprint));
    const live = found.filter(({ overSince, storm }) => overSince === undefined && storm === undefined);
    return [...new Set(live.map((request: RequestRef) => keyOf(request)))];
  }
}

function toCount({ group, known, overSince, candidates }: Counted): StormGroup {
  return {
    key: group.fingerprint,
    known,
    overSince,
    candidates: candidates.map((signal) => ({
      fingerprint: signal.fingerprint,
      resource: resourceOf(signal),
      tokens: tokensOf(signal),
    })),
  };
}

/** The usual re-send: it fires, and nobody had resolved. */
function saysNothingNew({ severity, storm, overSince, recurredAt }: KnownRequest, change: MemberChange): boolean {
  const isRemembered = overSince === undefined || recurredAt !== undefined;
  return change.firing && storm?.resolvedCount === 0 && isRemembered && !isMoreSevere(change.severity, severity);
}
