import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock';
import { formatDuration } from '../../config/duration';
import type { Classification } from '../../kubernetes/remediation-request.factory';
import type { KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import type { StormSpec } from '../../kubernetes/remediation-request';
import type { LogSink } from '../../logging/log-sink';
import type { GatewayMetrics } from '../../metrics/gateway-metrics';
import { severities } from '../../signal/severity';
import type { Signal } from '../../signal/signal';
import { keyOf, type RequestRef } from '../../state/signal-state';
import type { StormRules, StormWindow, StormWindows } from '../../state/storm-windows';
import { standingOf } from '../deduplication/standing';
import type { RequestOpener } from '../request-opener';
import type { StormMetadata } from '../signal-outcome';
import { StormOverError, type StormCommits } from './storm-commits';
import { groupOf, resourceOf, tokensOf, type SignalGroup, type StormGrouping } from './storm-group';
import { changeOf, firingMembersOf, type MemberChange } from './storm-status';

/** Signals of one webhook that are part of one storm. */
export interface StormySignals {
  readonly group: SignalGroup;
  /** In the order of the webhook; the first may be the one that made a storm of what was before it. */
  readonly signals: readonly [Signal, ...Signal[]];
  readonly window: StormWindow;
  /** Fingerprints of the signals before the storm, told to the one that crossed. */
  readonly before?: readonly string[] | undefined;
}

/** The request that carries a storm, and whether it was created for these signals. */
export interface JoinedStorm {
  readonly request: KnownRequest;
  readonly created?: { readonly classification: Classification; readonly generation: number } | undefined;
}

/** Says how urgent a storm is, by its first signal. */
export type ClassifyStorm = (signal: Signal) => Promise<Classification>;

/** How long new signals are counted (contract, section 6). Milliseconds. */
export const rateWindowMs = 60_000;
export const patternWindowMs = 120_000;
/** Resources that an answer names; the request names more. */
const maxAnswered = 10;

/** Many alike signals at once are one storm: one request, created when it is noticed, that later ones join. */
export class Storms {
  /** Requests that this process is creating, by group, so that its other webhooks wait instead of trying as well. */
  private readonly opening = new Map<string, Promise<JoinedStorm | 'over'>>();

  constructor(
    private readonly windows: StormWindows,
    private readonly commits: StormCommits,
    private readonly index: RemediationRequestIndex,
    private readonly opener: RequestOpener,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    private readonly grouping: StormGrouping,
    private readonly rules: () => StormRules,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  /**
   * Counts new signals; answers those that are part of a storm. The others are ordinary.
   * @throws StateUnavailableError
   */
  async place(signals: readonly Signal[]): Promise<StormySignals[]> {
    const groups = new Map<string, { group: SignalGroup; signals: Signal[] }>();
    for (const signal of signals) {
      const group = groupOf(signal, this.grouping);
      if (group === undefined) continue;
      const same = groups.get(group.fingerprint);
      if (same === undefined) groups.set(group.fingerprint, { group, signals: [signal] });
      else same.signals.push(signal);
    }
    const asked = [...groups.values()].map(({ group, signals: members }) => ({
      key: group.fingerprint,
      candidates: members.map((signal) => ({
        fingerprint: signal.fingerprint,
        resource: resourceOf(signal),
        tokens: tokensOf(signal),
      })),
      known: windowOf(this.standingBy(this.index.peek(group.fingerprint), group)),
    }));
    if (asked.length === 0) return [];
    const placed = await this.windows.place(asked, this.rules());
    return [...groups.values()].flatMap(({ group, signals: members }, g) => {
      const placements = placed[g] ?? [];
      const [first, ...rest] = members.filter((_, i) => placements[i]?.kind !== 'ordinary');
      const begin = placements.find((placement) => placement.kind !== 'ordinary');
      if (first === undefined || begin === undefined) return [];
      const before = begin.kind === 'crossing' ? begin.before : undefined;
      return [{ group, signals: [first, ...rest], window: begin.window, before }];
    });
  }

  /**
   * Takes signals into their storm, whose request is created if there is none. It carries them when this resolves.
   * @returns `over` when it cannot: its request is over and cooling down, so that its signals are ordinary again
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError and what opening a request throws
   */
  async join(
    stormy: StormySignals,
    claim: string,
    classify: ClassifyStorm,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const { group, signals, window } = stormy;
    const opened = await this.requestFor(stormy, claim, classify, deadline);
    if (opened === 'over') {
      await this.windows.close(group.fingerprint);
      return 'over';
    }
    try {
      const members = signals.map((signal) => changeOf(signal, true));
      const precededBy = this.requestsOf(stormy.before ?? []);
      const request = await this.commits.commit(
        opened.request,
        { members, window, precededBy: precededBy.length > 0 ? precededBy : undefined },
        deadline,
      );
      return { ...opened, request };
    } catch (error) {
      if (!(error instanceof StormOverError)) throw error;
      await this.windows.close(group.fingerprint);
      return 'over';
    }
  }

  /**
   * Takes what is said of signals that are part of a storm already. It is acknowledged by the API server when this resolves.
   * @returns the request as it then stands
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError
   */
  async note(
    request: KnownRequest,
    said: readonly { readonly signal: Signal; readonly firing: boolean }[],
    deadline: AbortSignal,
  ): Promise<KnownRequest> {
    const changes = said.map(({ signal, firing }) => changeOf(signal, firing));
    if (changes.every((change) => saysNothingNew(request, change))) return request;
    return this.commits.commit(request, { members: changes }, deadline);
  }

  /**
   * Opens the next generation of a storm that goes on although its request is over. Its members are those that the request
   * names and that still fire; the others join when they are sent again.
   * @throws KubernetesApiError, StateUnavailableError, DeadlineExceededError and what opening a request throws
   */
  async reopen(
    signal: Signal,
    before: KnownRequest,
    spec: StormSpec,
    classification: Classification,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const incident = { signal, firingAlerts: [], claim: randomUUID(), storm: spec };
    const opened = await this.opener.open(incident, classification, before.generation + 1, deadline);
    if (opened.kind === 'carried' && opened.request.overSince !== undefined) return 'over';
    const now = this.clock.now();
    const request = await this.commits.commit(
      opened.kind === 'created' ? opened.known : opened.request,
      {
        members: firingMembersOf(before, now),
        window: { type: spec.type, openedAt: now, lastMemberAt: now },
      },
      deadline,
    );
    return opened.kind === 'carried'
      ? { request }
      : { request, created: { classification, generation: opened.generation } };
  }

  /** What a sender is told of the storm that its signal is part of. */
  metadataOf({ storm }: KnownRequest, { pattern }: Pick<SignalGroup, 'pattern'>): StormMetadata {
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

  private standingBy(found: readonly KnownRequest[], { fingerprint }: SignalGroup) {
    const requests = found.filter((request) => request.fingerprint === fingerprint);
    return standingOf(requests, this.clock.now(), this.cooldownMs);
  }

  private async requestFor(
    stormy: StormySignals,
    claim: string,
    classify: ClassifyStorm,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const found = await this.index.find(stormy.group.fingerprint, deadline);
    const standing = this.standingBy(found, stormy.group);
    if (standing.kind === 'carried')
      return standing.request.overSince === undefined ? { request: standing.request } : 'over';
    const { fingerprint } = stormy.group;
    const running = this.opening.get(fingerprint);
    if (running !== undefined) {
      const joined = await running;
      // It was created for the one that opened it.
      return joined === 'over' ? joined : { request: joined.request };
    }
    const opening = this.open(stormy, claim, classify, standing.generation, deadline).finally(() =>
      this.opening.delete(fingerprint),
    );
    this.opening.set(fingerprint, opening);
    return opening;
  }

  private async open(
    { group, signals: [first], window }: StormySignals,
    claim: string,
    classify: ClassifyStorm,
    generation: number,
    deadline: AbortSignal,
  ): Promise<JoinedStorm | 'over'> {
    const classification = await classify(first);
    const { rateThreshold, patternThreshold } = this.rules();
    const storm = {
      isStorm: true,
      type: window.type,
      window: formatDuration(window.type === 'rate' ? rateWindowMs : patternWindowMs),
      threshold: window.type === 'rate' ? rateThreshold : patternThreshold,
    } as const;
    // Its identity and its place are the group's; what it looks like is that of its first signal.
    const signal = { ...first, fingerprint: group.fingerprint, namespace: group.namespace };
    const opened = await this.opener.open(
      { signal, firingAlerts: [], claim, storm },
      classification,
      generation,
      deadline,
    );
    if (opened.kind === 'carried') return opened.request.overSince === undefined ? { request: opened.request } : 'over';
    this.metrics.stormsDetected.inc({ type: window.type });
    this.log.warn(
      { remediation_request: keyOf(opened.request), type: window.type },
      `storm detected for pattern: ${group.pattern}`,
    );
    return {
      request: opened.known,
      created: { classification, generation: opened.generation },
    };
  }

  private requestsOf(fingerprints: readonly string[]): string[] {
    const found = fingerprints.flatMap((fingerprint) => this.index.peek(fingerprint));
    const live = found.filter(({ overSince }) => overSince === undefined);
    return [...new Set(live.map((request: RequestRef) => keyOf(request)))];
  }
}

function windowOf(standing: ReturnType<typeof standingOf>): StormWindow | undefined {
  const storm = standing.kind === 'carried' && standing.request.overSince === undefined && standing.request.storm;
  if (!storm) return undefined;
  return { type: storm.type, openedAt: storm.windowStartedAt, lastMemberAt: storm.lastMemberAt };
}

/** The usual re-send: it fires, and nobody had resolved. */
function saysNothingNew({ severity, storm, overSince, recurredAt }: KnownRequest, change: MemberChange): boolean {
  const isRemembered = overSince === undefined || recurredAt !== undefined;
  const isHigher = severities.indexOf(change.severity) < severities.indexOf(severity);
  return change.firing && storm?.resolvedCount === 0 && isRemembered && !isHigher;
}
