import { setImmediate } from 'node:timers/promises';
import pMap from 'p-map';
import type { Authorizer } from '../auth/authorizer';
import type { Caller } from '../caller';
import { DeadlineExceededError } from '../deadline';
import { KubernetesApiError } from '../kubernetes/kubernetes-api.error';
import type { KnownRequest } from '../kubernetes/known-request';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { InvalidSignal, type Signal } from '../signal/signal';
import type { Occurrences } from '../state/signal-state';
import { refOf, seenOf, type Deduplication, type FreshSignal, type Settlement } from './deduplication/deduplication';
import type { EnvironmentClassifier } from './environment/environment-classifier';
import { toUnprocessed } from './failure';
import type { PriorityEvaluator } from './priority/priority-evaluator';
import type { RequestOpener } from './request-opener';
import type { RequestStatus } from './request-status/request-status';
import { firingAlertsAfter } from './request-status/signal-status';
import { alertOf, sightingOf } from './request-status/sighting';
import type { JournalPage, SignalJournal } from './signal-journal';
import type { DuplicateReason, Resolved, SignalOutcome } from './signal-outcome';

/** So many alerts are mapped, claimed and answered before other requests get their turn of the event loop. */
const batchSize = 500;
/** Calls of one webhook that are under way at once; others share the connections. */
const concurrentCalls = 16;
/** Who waits for another replica looks at the cluster after so many polls, about half a second. */
const attemptsBeforeLooking = 4;

type Outcomes = Map<Signal, SignalOutcome>;

/** The signals of one webhook that are one incident: the first that fires stands for it. */
interface Incident {
  readonly signal: Signal;
  /** Those of other alerts of the sender as well, e.g. of a second container of the pod, and what resolved. */
  readonly all: Signal[];
}

/** What batches of one webhook share. */
interface Webhook {
  readonly page: JournalPage;
  /** The alerts that fired so far, by incident and the sender's own identity. */
  readonly fired: Set<string>;
}

/** What becomes of a fresh signal: its outcome, and what that means for its claim. */
interface Processed {
  readonly outcome: SignalOutcome;
  readonly settlement: Settlement;
}

/** The path of a signal, from claim to acknowledged request. Every signal gets exactly one outcome, and none hides another. */
export class SignalProcessor {
  constructor(
    private readonly authorizer: Authorizer,
    private readonly deduplication: Deduplication,
    private readonly environment: EnvironmentClassifier,
    private readonly priority: PriorityEvaluator,
    private readonly requests: RequestOpener,
    private readonly status: RequestStatus,
    private readonly journal: SignalJournal,
    private readonly metrics: GatewayMetrics,
    private readonly heartbeats: ReadonlySet<string>,
  ) {}

  /**
   * Processes what a webhook holds; `outcomes[i]` belongs to `entries[i]`. Never rejects.
   * @param entries may be lazy: they are drawn batch by batch
   * @param caller who must be allowed to send them
   * @param deadline aborts what is still under way; what was not decided by then has failed
   */
  async processAll(
    entries: Iterable<Signal | InvalidSignal>,
    caller: Caller,
    deadline: AbortSignal,
  ): Promise<SignalOutcome[]> {
    const outcomes: SignalOutcome[] = [];
    const page = this.journal.open();
    const fired = new Set<string>();
    for (const batch of batches(entries)) {
      if (outcomes.length > 0) await setImmediate();
      outcomes.push(...(await this.processBatch(batch, caller, { page, fired }, deadline)));
    }
    page.close();
    return outcomes;
  }

  /** Opens the next generation of an incident that was received, and answered, before. Never rejects. */
  async reopen(
    signal: Signal,
    firingAlerts: ReadonlyMap<string, number>,
    deadline: AbortSignal,
  ): Promise<SignalOutcome> {
    const outcomes: Outcomes = new Map();
    const alerts = [...firingAlerts].map(([senderFingerprint, startsAt]) => ({
      ...signal,
      senderFingerprint,
      startsAt,
    }));
    const incident = { signal, all: alerts.length > 0 ? alerts : [signal] };
    await this.processFiring([incident], outcomes, deadline);
    const outcome = outcomes.get(signal) ?? toUnprocessed(signal, new Error('a signal has no outcome'));
    const page = this.journal.open();
    page.recordReopened(signal, outcome);
    page.close();
    return outcome;
  }

  private async processBatch(
    batch: readonly (Signal | InvalidSignal)[],
    caller: Caller,
    { page, fired }: Webhook,
    deadline: AbortSignal,
  ): Promise<SignalOutcome[]> {
    const outcomes: Outcomes = new Map();
    const signals = batch.filter((entry): entry is Signal => !(entry instanceof InvalidSignal));
    const allowed = await this.authorize(signals, caller, outcomes, deadline);

    const firing = new Map<string, Incident>();
    const resolved = new Map<string, Signal[]>();
    for (const signal of allowed) {
      const { fingerprint } = signal;
      const alert = `${fingerprint} ${alertOf(signal)}`;
      if (signal.status === 'firing') fired.add(alert);
      // In one webhook firing wins, also when it stood in an earlier batch of it.
      else if (fired.has(alert)) {
        outcomes.set(signal, { status: 'resolved', fingerprint, reason: 'still_firing' });
        continue;
      }
      if (signal.status === 'resolved') resolved.set(fingerprint, [...(resolved.get(fingerprint) ?? []), signal]);
      else if (this.heartbeats.has(signal.name)) outcomes.set(signal, heartbeat(signal));
      else if (firing.has(fingerprint)) firing.get(fingerprint)?.all.push(signal);
      else firing.set(fingerprint, { signal, all: [signal] });
    }

    // What resolved of an incident that still fires is part of how it stands; what resolved as a whole comes after.
    for (const incident of firing.values()) incident.all.push(...(resolved.get(incident.signal.fingerprint) ?? []));
    await this.processFiring([...firing.values()], outcomes, deadline);
    await this.processResolved(resolved, firing, outcomes, deadline);

    return batch.map((entry) => {
      const outcome =
        entry instanceof InvalidSignal
          ? rejectedAsInvalid(entry)
          : (outcomes.get(entry) ?? sameAs(firing.get(entry.fingerprint)?.signal, outcomes));
      page.record(entry, outcome);
      return outcome;
    });
  }

  /** The signals that the caller may send; the others get their outcome. */
  private async authorize(
    signals: readonly Signal[],
    caller: Caller,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<readonly Signal[]> {
    const [first] = signals;
    if (first === undefined) return signals;
    const namespaces = new Set(signals.map((signal) => this.requests.namespaceFor(signal)));
    try {
      const allowed = await this.authorizer.allowedOf(caller, first.source, namespaces, deadline);
      if (allowed.size === namespaces.size) return signals;
      for (const signal of signals) {
        const namespace = this.requests.namespaceFor(signal);
        if (!allowed.has(namespace)) outcomes.set(signal, rejectedAsForbidden(signal, namespace));
      }
    } catch (error) {
      for (const signal of signals) outcomes.set(signal, toUnprocessed(signal, error));
    }
    return signals.filter((signal) => !outcomes.has(signal));
  }

  /** Claims, creates, settles; then claims again what somebody else was creating, until nothing is open. */
  private async processFiring(
    incidents: readonly Incident[],
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    const incidentOf = new Map(incidents.map((incident) => [incident.signal, incident]));
    const known = new Map<Signal, KnownRequest | undefined>();
    let open: readonly Signal[] = [...incidentOf.keys()];
    try {
      for (let attempt = 0; open.length > 0; attempt++) {
        // What cannot be answered in time is not begun: the sender will send it again.
        if (deadline.aborted) throw new DeadlineExceededError();
        const endClaim = this.metrics.stage('claim');
        const { duplicates, fresh, pending, failed } = await this.deduplication.claim(open, deadline);
        endClaim();
        for (const [signal, duplicate] of duplicates) {
          outcomes.set(signal, duplicate.outcome);
          known.set(signal, duplicate.known);
        }
        for (const [signal, error] of failed) outcomes.set(signal, toUnprocessed(signal, error));

        // All own creates end before anyone else's is awaited, so that two webhooks cannot wait for each other.
        await this.processFresh(fresh, incidentOf, outcomes, known, deadline);
        open = await this.stillPending(pending, attempt, outcomes, known, deadline);
        if (open.length > 0) await this.deduplication.whenFreed(open, attempt, deadline);
      }
    } catch (error) {
      for (const signal of open) if (!outcomes.has(signal)) outcomes.set(signal, toUnprocessed(signal, error));
    }
    await this.noteDuplicates(incidents, outcomes, known, deadline);
  }

  private async processFresh(
    fresh: readonly FreshSignal[],
    incidentOf: ReadonlyMap<Signal, Incident>,
    outcomes: Outcomes,
    known: Map<Signal, KnownRequest | undefined>,
    deadline: AbortSignal,
  ): Promise<void> {
    if (fresh.length === 0) return;
    const processed = await pMap(
      fresh,
      (claim) => this.open(claim, incidentOf.get(claim.signal)?.all ?? [claim.signal], deadline),
      { concurrency: concurrentCalls },
    );
    const endConfirm = this.metrics.stage('confirm');
    const occurrences = await this.deduplication.settle(processed.map(({ settlement }) => settlement));
    endConfirm();
    for (const [i, { outcome, settlement }] of processed.entries()) {
      const { signal } = settlement.fresh;
      // The counts are those of the shared memory, when it could be told.
      outcomes.set(signal, 'count' in outcome ? { ...outcome, ...occurrences[i] } : outcome);
      if (settlement.known !== undefined) known.set(signal, settlement.known);
    }
  }

  /**
   * Whose create is somebody else's, and not to be seen yet. A holder that died between create and confirm leaves a request
   * that carries the signal, and a claim that ends only with its lease.
   */
  private async stillPending(
    pending: readonly Signal[],
    attempt: number,
    outcomes: Outcomes,
    known: Map<Signal, KnownRequest | undefined>,
    deadline: AbortSignal,
  ): Promise<readonly Signal[]> {
    if (attempt < attemptsBeforeLooking) return pending;
    const standings = await Promise.all(pending.map((signal) => this.deduplication.standing(signal, deadline)));
    return pending.filter((signal, i) => {
      const standing = standings[i];
      if (standing?.kind !== 'carried') return true;
      const { request, reason } = standing;
      outcomes.set(signal, { ...seenBefore(signal, request), status: 'duplicate', request: refOf(request), reason });
      known.set(signal, request);
      return false;
    });
  }

  /** Classifies a fresh signal and opens its request. Never rejects: an error is an outcome too. */
  private async open(fresh: FreshSignal, all: readonly Signal[], deadline: AbortSignal): Promise<Processed> {
    const { signal, token: claim } = fresh;
    try {
      const standing = await this.deduplication.standing(signal, deadline);
      if (standing.kind === 'carried') return carried(fresh, standing.request, standing.reason);

      const endClassify = this.metrics.stage('classify');
      await this.environment.ready(deadline);
      const environment = this.environment.classify(signal);
      const classification = { ...environment, ...this.priority.evaluate(signal, environment.environment) };
      endClassify();

      const endCreate = this.metrics.stage('create');
      const firingAlerts = firingAlertsAfter(standing.over, all.map(sightingOf));
      const incident = { signal, firingAlerts, claim };
      const opened = await this.requests.open(incident, classification, standing.generation, deadline);
      endCreate();
      if (opened.kind === 'carried') return carried(fresh, opened.request, 'already_exists');
      const { request, generation } = opened;
      const reason = generation === 1 ? 'new' : 'next_generation';
      return {
        outcome: { ...seenOnce(signal), ...classification, status: 'created', request, reason },
        settlement: { fresh, request },
      };
    } catch (error) {
      return { outcome: toUnprocessed(signal, error), settlement: { fresh } };
    }
  }

  /** Tells the requests that carry duplicates how their signal stands; a signal counts as taken only when that is written. */
  private async noteDuplicates(
    incidents: readonly Incident[],
    outcomes: Outcomes,
    known: ReadonlyMap<Signal, KnownRequest | undefined>,
    deadline: AbortSignal,
  ): Promise<void> {
    await pMap(
      incidents,
      async ({ signal, all }) => {
        const outcome = outcomes.get(signal);
        if (outcome?.status !== 'duplicate') return;
        const { request, count, firstSeen, lastSeen } = outcome;
        try {
          const seen = { count, firstSeen, lastSeen };
          const before = known.get(signal);
          const after = await this.status.note(request, before, all.map(sightingOf), seen, deadline);
          // Then nothing carries the signal any more: it is new when it is sent again.
          if (before !== undefined && after === undefined)
            throw new KubernetesApiError('conflict', 'the request was deleted in the meantime');
        } catch (error) {
          // What refuses a patch for good is about the object or a policy: the signal is carried all the same.
          const unprocessed = toUnprocessed(signal, error);
          if (unprocessed.status === 'failed') outcomes.set(signal, unprocessed);
        }
      },
      { concurrency: concurrentCalls },
    );
  }

  private async processResolved(
    resolved: ReadonlyMap<string, readonly Signal[]>,
    firing: ReadonlyMap<string, Incident>,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    const groups = [...resolved.values()];
    const firsts = groups.flatMap(([first]) => first ?? []);
    if (firsts.length === 0) return;
    try {
      const latest = await this.deduplication.latestOf(firsts, deadline);
      await pMap(
        groups,
        async (signals, i) => {
          const outcome = await this.resolve(signals, firing, latest[i], outcomes, deadline);
          for (const signal of signals) outcomes.set(signal, outcome(signal));
        },
        { concurrency: concurrentCalls },
      );
    } catch (error) {
      for (const signal of groups.flat()) if (!outcomes.has(signal)) outcomes.set(signal, toUnprocessed(signal, error));
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
    if (incident !== undefined) {
      // It was noted together with what fires; if that failed, so has this.
      const ofIncident = outcomes.get(incident.signal);
      return ofIncident?.status === 'failed' ? () => ofIncident : outcome('still_firing');
    }
    if (latest === undefined) return outcome('no_request');
    try {
      const after = await this.status.note(refOf(latest), latest, signals.map(sightingOf), undefined, deadline);
      return outcome(after === undefined || after.resolved ? 'resolved' : 'still_firing');
    } catch (error) {
      return (signal) => toUnprocessed(signal, error);
    }
  }
}

/** A signal that turned out to have a request already. */
function carried(fresh: FreshSignal, known: KnownRequest, reason: DuplicateReason): Processed {
  const request = refOf(known);
  return {
    outcome: { ...seenOnce(fresh.signal), status: 'duplicate', request, reason },
    settlement: { fresh, request, known },
  };
}

/** What the request itself says of its past, this sighting included. */
function seenBefore({ fingerprint, receivedAt }: Signal, known: KnownRequest): { fingerprint: string } & Occurrences {
  const { count, firstSeen } = seenOf(known);
  return { fingerprint, count: count + 1, firstSeen, lastSeen: receivedAt };
}

/** What stands when the shared memory cannot say more. */
function seenOnce({ fingerprint, receivedAt }: Signal): { fingerprint: string } & Occurrences {
  return { fingerprint, count: 1, firstSeen: receivedAt, lastSeen: receivedAt };
}

function heartbeat({ fingerprint }: Signal): SignalOutcome {
  return { status: 'heartbeat', fingerprint, reason: 'heartbeat' };
}

function rejectedAsForbidden({ fingerprint, source }: Signal, namespace: string): SignalOutcome {
  const summary = `The caller may not send signals for namespace '${namespace}': grant it 'create' on signals.gateway.kubernaut.io (${source}) there`;
  return { status: 'rejected', fingerprint, reason: 'forbidden', summary, details: [summary] };
}

function rejectedAsInvalid({ problems, summary }: InvalidSignal): SignalOutcome {
  return { status: 'rejected', reason: 'invalid', summary, details: problems };
}

/** The outcome of a signal whose incident stands in the webhook a second time: what became of the first. */
function sameAs(first: Signal | undefined, outcomes: Outcomes): SignalOutcome {
  const outcome = first === undefined ? undefined : outcomes.get(first);
  if (outcome === undefined) throw new Error('a signal has no outcome');
  if (outcome.status !== 'created') return outcome;
  const { fingerprint, request, count, firstSeen, lastSeen } = outcome;
  return { status: 'duplicate', reason: 'same_webhook', fingerprint, request, count, firstSeen, lastSeen };
}

function* batches<T>(entries: Iterable<T>): Generator<T[]> {
  let batch: T[] = [];
  for (const entry of entries) {
    batch.push(entry);
    if (batch.length === batchSize) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
