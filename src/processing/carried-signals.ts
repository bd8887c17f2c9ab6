import { KubernetesApiError } from '../kubernetes/kubernetes-api.error';
import { isNameOfStorm } from '../kubernetes/kubernetes-names';
import type { KnownRequest } from '../kubernetes/known-request';
import { keyOf } from '../request-ref';
import type { Signal } from '../signal/signal';
import { concurrently } from './concurrently';
import { refOf, type Deduplication, type Latest } from './deduplication/deduplication';
import { toUnprocessed } from './failure';
import { isFiring, type Incident, type Outcomes } from './incident';
import type { RequestStatus } from './request-status/request-status';
import { sightingOf } from './request-status/sighting';
import type { Resolved, SignalOutcome } from './signal-outcome';
import type { Storms } from './storm/storms';

/** What resolved of one incident, and the request that carries that. */
interface Told {
  readonly signals: readonly Signal[];
  readonly latest: Latest;
}

/** What a storm carries, by its request. */
type ByStorm<T> = Map<string, { readonly request: KnownRequest; readonly members: T[] }>;

/** Tells requests how the signals stand that they carry: that they were seen again, or have resolved. */
export class CarriedSignals {
  constructor(
    private readonly deduplication: Deduplication,
    private readonly storms: Storms,
    private readonly status: RequestStatus,
  ) {}

  /**
   * Tells the requests that carry duplicates how their signal stands; a signal counts as taken only when that is written.
   * @returns `undefined` when nothing has to be, as for most
   */
  noteDuplicates(
    incidents: readonly Incident[],
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<unknown> | undefined {
    const storms: ByStorm<Incident> = new Map();
    const changing: Incident[] = [];
    for (const incident of incidents) {
      const { signal, all, known, reopened } = incident;
      const outcome = outcomes.get(signal);
      // What is reopened was said before, and something else may have been said since.
      if (outcome?.status !== 'duplicate' || reopened === true) continue;
      if (known?.storm !== undefined) addTo(storms, known, [incident]);
      else if (known === undefined && isNameOfStorm(outcome.request.name, signal.fingerprint)) {
        // Whether it had resolved, or the storm is over, cannot be told now: its sender shall say it again.
        const unreadable = new KubernetesApiError('unavailable', 'the request of a storm cannot be read now');
        failIfRetryable(signal, unreadable, outcomes);
      } else if (!this.status.noteBehind(outcome.request, known, all.map(sightingOf), outcome)) changing.push(incident);
    }
    if (changing.length === 0 && storms.size === 0) return undefined;
    const notedStorms = [...storms.values()].map(async ({ request, members }) => {
      try {
        const said = members.flatMap(({ all }) => firingLast(all));
        await this.storms.note(request, said, deadline);
      } catch (error) {
        for (const { signal } of members) failIfRetryable(signal, error, outcomes);
      }
    });
    const noted = concurrently(changing, async ({ signal, all, known }) => {
      const outcome = outcomes.get(signal);
      if (outcome?.status !== 'duplicate') return;
      try {
        const after = await this.status.note(outcome.request, known, all.map(sightingOf), outcome, deadline);
        // Then nothing carries the signal any more: it is new when it is sent again.
        if (known !== undefined && after === undefined)
          throw new KubernetesApiError('conflict', 'the request was deleted in the meantime');
      } catch (error) {
        failIfRetryable(signal, error, outcomes);
      }
    });
    return Promise.all([noted, ...notedStorms]);
  }

  /**
   * Tells the requests of what resolved, by incident, and sets the outcomes. What fires in the same webhook was noted with that. Never
   * rejects.
   */
  async processResolved(
    resolved: ReadonlyMap<string, readonly Signal[]>,
    firing: ReadonlyMap<string, Incident>,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    let open = [...resolved.values()];
    try {
      for (let attempt = 0; open.length > 0; attempt++) {
        const firsts = open.flatMap(([first]) => first ?? []);
        // What is being created has a request to be told in a moment.
        if (attempt > 0) await this.deduplication.whenFreed(firsts, attempt, deadline);
        const latest = await this.deduplication.latestOf(firsts, deadline);
        const told = open.map((signals, i): Told => ({ signals, latest: latest[i] }));
        const creating = ({ signals: [first], latest }: Told) =>
          latest === 'creating' && !firing.has(first?.fingerprint ?? '');
        await this.tellResolved(
          told.filter((one) => !creating(one)),
          firing,
          outcomes,
          deadline,
        );
        open = told.filter(creating).map(({ signals }) => signals);
      }
    } catch (error) {
      for (const signal of open.flat()) if (!outcomes.has(signal)) outcomes.set(signal, toUnprocessed(signal, error));
    }
  }

  /** Never rejects. */
  private async tellResolved(
    resolved: readonly Told[],
    firing: ReadonlyMap<string, Incident>,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    const storms: ByStorm<Signal> = new Map();
    const single: { signals: readonly Signal[]; request: KnownRequest | undefined }[] = [];
    for (const { signals, latest } of resolved) {
      const request = typeof latest === 'object' ? latest : undefined;
      if (firing.has(signals[0]?.fingerprint ?? '')) single.push({ signals, request });
      else if (latest === 'unreadable') {
        const unreadable = new KubernetesApiError('unavailable', 'whether it has a request cannot be told now');
        for (const signal of signals) outcomes.set(signal, toUnprocessed(signal, unreadable));
      } else if (request?.storm !== undefined) addTo(storms, request, signals);
      else single.push({ signals, request });
    }
    await Promise.all([
      concurrently(single, async ({ signals, request }) => {
        const outcome = await this.resolve(signals, firing, request, outcomes, deadline);
        for (const signal of signals) outcomes.set(signal, outcome(signal));
      }),
      ...[...storms.values()].map(({ request, members }) => this.resolveMembers(request, members, outcomes, deadline)),
    ]);
  }

  /** What becomes of resolved signals that are part of one storm. Never rejects. */
  private async resolveMembers(
    storm: KnownRequest,
    members: readonly Signal[],
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    try {
      const firing = await this.storms.note(storm, members, deadline);
      const request = refOf(storm);
      for (const signal of members) {
        const { fingerprint } = signal;
        const fires = firing.get(fingerprint);
        if (fires === undefined) outcomes.set(signal, { status: 'resolved', fingerprint, reason: 'no_request' });
        else
          outcomes.set(signal, {
            status: 'resolved',
            fingerprint,
            request,
            reason: fires ? 'still_firing' : 'resolved',
          });
      }
    } catch (error) {
      for (const signal of members) outcomes.set(signal, toUnprocessed(signal, error));
    }
  }

  /** What becomes of the resolved signals of one incident. Never rejects. */
  private async resolve(
    signals: readonly Signal[],
    firing: ReadonlyMap<string, Incident>,
    latest: KnownRequest | undefined,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<(signal: Signal) => SignalOutcome> {
    const request = latest && refOf(latest);
    const outcome =
      (reason: Resolved['reason']) =>
      ({ fingerprint }: Signal): SignalOutcome => ({
        status: 'resolved',
        fingerprint,
        reason,
        ...(request ? { request } : {}),
      });
    const incident = firing.get(signals[0]?.fingerprint ?? '');
    try {
      if (incident !== undefined) {
        // It was noted together with what fires; if that failed, so has this.
        const ofIncident = outcomes.get(incident.signal);
        if (ofIncident?.status === 'failed') return () => ofIncident;
        if (latest?.storm === undefined) await this.storms.noteIfNamed(firingLast(incident.all), deadline);
        return outcome('still_firing');
      }
      if (latest === undefined) return outcome('no_request');
      await this.storms.noteIfNamed(signals, deadline);
      const after = await this.status.note(refOf(latest), latest, signals.map(sightingOf), undefined, deadline);
      return outcome(after === undefined || after.resolvedSince !== undefined ? 'resolved' : 'still_firing');
    } catch (error) {
      return (signal) => toUnprocessed(signal, error);
    }
  }
}

/** In this order firing wins over what resolved in the same webhook. */
function firingLast(signals: readonly Signal[]): Signal[] {
  return signals.toSorted((a, b) => Number(isFiring(a)) - Number(isFiring(b)));
}

function addTo<T>(storms: ByStorm<T>, request: KnownRequest, members: readonly T[]): void {
  const key = keyOf(request);
  const same = storms.get(key);
  if (same === undefined) storms.set(key, { request, members: [...members] });
  else same.members.push(...members);
}

/** What refuses a patch for good is about the object or a policy: the signal is carried all the same. */
function failIfRetryable(signal: Signal, error: unknown, outcomes: Outcomes): void {
  const outcome = toUnprocessed(signal, error);
  if (outcome.status === 'failed') outcomes.set(signal, outcome);
}
