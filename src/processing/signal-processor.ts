import { setImmediate } from 'node:timers/promises';
import type { Authorizer, Permissions } from '../auth/authorizer';
import type { Caller } from '../caller';
import { DeadlineExceededError } from '../deadline';
import type { StormSpec } from '../kubernetes/remediation-request';
import type { KnownAlert, KnownRequest } from '../kubernetes/known-request';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { isMoreSevere } from '../signal/severity';
import { IgnoredSignal, InvalidSignal, isSignal, type Signal, type SignalReading } from '../signal/signal';
import type { RequestRef } from '../request-ref';
import type { Occurrences } from '../state/signal-state';
import {
  refOf,
  seenOf,
  type Claimed,
  type Deduplication,
  type FreshSignal,
  type Settlement,
} from './deduplication/deduplication';
import type { CarriedSignals } from './carried-signals';
import type { Classifier } from './classifier';
import { mayTakeEffect, toUnprocessed } from './failure';
import { isFiring, type Incident, type Outcomes } from './incident';
import type { OwnerIdentity } from './identity/owner-identity';
import type { Standing } from './deduplication/standing';
import type { PlacedSignals, Storms, StormySignals } from './storm/storms';
import type { Classification } from '../kubernetes/remediation-request.factory';
import { concurrently } from './concurrently';
import type { Opened, RequestOpener } from './request-opener';
import { firingAlertsAfter } from './request-status/signal-status';
import { alertOf, sightingOf } from './request-status/sighting';
import type { JournalPage, SignalJournal } from './signal-journal';
import type { Created, DuplicateReason, SignalOutcome } from './signal-outcome';

/** So many alerts are mapped, claimed and answered before other requests get their turn of the event loop. */
const batchSize = 500;
/** Who waits for another replica looks at the cluster after so many polls, about half a second. */
const attemptsBeforeLooking = 4;

/** What batches of one webhook share. */
interface Webhook {
  readonly page: JournalPage;
  /** The alerts that fired so far, by incident and the sender's own identity. */
  readonly fired: Set<string>;
}

/** An incident whose signal is held by us. */
interface HeldIncident {
  readonly incident: Incident;
  readonly fresh: FreshSignal;
}

/** One that no request carries. */
interface Uncarried extends HeldIncident {
  readonly standing: Extract<Standing, { kind: 'open' }>;
}

/** How an incident stands, or what kept that from being told. */
type Told = Standing | { readonly kind: 'untold'; readonly error: unknown };

/** What becomes of a fresh signal: its outcome, and what that means for its claim. */
interface Processed {
  readonly incident: Incident;
  readonly outcome: SignalOutcome;
  readonly settlement: Settlement;
}

/** The path of a signal, from claim to acknowledged request. Every signal gets exactly one outcome, and none hides another. */
export class SignalProcessor {
  constructor(
    private readonly authorizer: Authorizer,
    private readonly deduplication: Deduplication,
    private readonly classifier: Classifier,
    private readonly requests: RequestOpener,
    private readonly storms: Storms,
    private readonly carriedSignals: CarriedSignals,
    private readonly journal: SignalJournal,
    private readonly metrics: GatewayMetrics,
    private readonly heartbeats: ReadonlySet<string>,
    /** Absent when incidents are told apart by the object alone. */
    private readonly identity?: OwnerIdentity,
  ) {}

  /**
   * Processes what a webhook holds; `outcomes[i]` belongs to `entries[i]`. Never rejects.
   * @param entries may be lazy: they are drawn batch by batch
   * @param caller who must be allowed to send them
   * @param deadline aborts what is still under way; what was not decided by then has failed
   */
  async processAll(entries: Iterable<SignalReading>, caller: Caller, deadline: AbortSignal): Promise<SignalOutcome[]> {
    const page = this.journal.open();
    const fired = new Set<string>();
    const identify = this.identity?.forWebhook(deadline);
    let outcomes: SignalOutcome[] = [];
    for (const batch of batches(entries)) {
      if (outcomes.length > 0) await setImmediate();
      const identified = identify === undefined ? batch : await identify(batch);
      const processed = await this.processBatch(identified, caller, { page, fired }, deadline);
      outcomes = outcomes.length === 0 ? processed : outcomes.concat(processed);
    }
    page.close();
    return outcomes;
  }

  /** Opens the next generation of an incident that was received, and answered, before. Never rejects. */
  async reopen(signal: Signal, firingAlerts: readonly KnownAlert[], deadline: AbortSignal): Promise<SignalOutcome> {
    const outcomes: Outcomes = new Map();
    const alerts = firingAlerts.map(({ alert, since }) => ({ ...signal, senderFingerprint: alert, startsAt: since }));
    const incident = { signal, all: alerts.length > 0 ? alerts : [signal], reopened: true };
    await this.processFiring([incident], outcomes, deadline);
    const outcome = outcomes.get(signal) ?? toUnprocessed(signal, new Error('a signal has no outcome'));
    this.journal.recordReopened(signal, outcome);
    return outcome;
  }

  /** Opens the next generation of a storm, of which signals were received, and answered, before. Never rejects. */
  async reopenStorm(
    signal: Signal,
    before: KnownRequest,
    spec: StormSpec,
    deadline: AbortSignal,
  ): Promise<SignalOutcome> {
    let outcome: SignalOutcome;
    try {
      const classification = await this.classifier.classifyStorm(signal, deadline);
      const joined = await this.storms.reopen(signal, before, spec, classification, deadline);
      const request = refOf(joined.request);
      const storm = this.storms.metadataOf(joined.request, signal.name);
      outcome = joined.created
        ? { ...seenOnce(signal), ...classification, status: 'created', request, reason: 'next_generation', storm }
        : { ...seenOnce(signal), status: 'duplicate', request, reason: 'already_exists' };
    } catch (error) {
      outcome = toUnprocessed(signal, error);
    }
    this.journal.recordReopened(signal, outcome);
    return outcome;
  }

  private async processBatch(
    batch: readonly SignalReading[],
    caller: Caller,
    { page, fired }: Webhook,
    deadline: AbortSignal,
  ): Promise<SignalOutcome[]> {
    const outcomes: Outcomes = new Map();
    const signals = batch.filter(isSignal);
    const authorized = this.authorize(signals, caller, outcomes, deadline);
    const allowed = authorized instanceof Promise ? await authorized : authorized;

    const firing = new Map<string, Incident>();
    const resolved = new Map<string, Signal[]>();
    // Which alerts fire matters to those that resolve, here or in a later batch.
    const mayResolve = fired.size > 0 || batch.length === batchSize || !allowed.every(isFiring);
    for (const signal of allowed) {
      const { fingerprint } = signal;
      if (mayResolve) {
        const alert = `${fingerprint} ${alertOf(signal)}`;
        if (isFiring(signal)) fired.add(alert);
        // In one webhook firing wins, also when it stood in an earlier batch of it.
        else if (fired.has(alert)) {
          outcomes.set(signal, { status: 'resolved', fingerprint, reason: 'still_firing' });
          continue;
        }
      }
      const incident = firing.get(fingerprint);
      if (!isFiring(signal)) resolved.set(fingerprint, [...(resolved.get(fingerprint) ?? []), signal]);
      else if (this.heartbeats.has(signal.name)) outcomes.set(signal, heartbeat(signal));
      else if (incident === undefined) firing.set(fingerprint, { signal, all: [signal], known: undefined });
      else {
        incident.all.push(signal);
        if (isMoreSevere(signal.severity, incident.signal.severity)) incident.signal = signal;
      }
    }

    if (firing.size > 0) {
      // What resolved of an incident that still fires is part of how it stands; what resolved as a whole comes after.
      for (const [fingerprint, signalsOf] of resolved) firing.get(fingerprint)?.all.push(...signalsOf);
      await this.processFiring([...firing.values()], outcomes, deadline);
    }
    if (resolved.size > 0) await this.carriedSignals.processResolved(resolved, firing, outcomes, deadline);

    return batch.map((entry) => {
      const outcome = isSignal(entry)
        ? (outcomes.get(entry) ?? sameAs(entry, firing.get(entry.fingerprint)?.signal, outcomes))
        : notASignal(entry);
      page.record(entry, outcome);
      return outcome;
    });
  }

  /** The signals that the caller may send, at once where that is known; the others get their outcome. */
  private authorize(
    signals: readonly Signal[],
    caller: Caller,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): readonly Signal[] | Promise<readonly Signal[]> {
    const [first] = signals;
    if (first === undefined) return signals;
    const namespaces = new Set<string>();
    for (const signal of signals) {
      namespaces.add(this.requests.namespaceFor(signal));
      const further = this.requests.furtherNamespaceFor(signal);
      if (further !== undefined) namespaces.add(further);
    }
    const take = ({ allowed, untold }: Permissions): readonly Signal[] => {
      if (allowed.size === namespaces.size) return signals;
      for (const signal of signals) {
        const needed = [this.requests.namespaceFor(signal), this.requests.furtherNamespaceFor(signal)];
        const missing = needed.find((namespace) => namespace !== undefined && !allowed.has(namespace));
        if (missing === undefined) continue;
        const refusal = untold.has(missing)
          ? toUnprocessed(signal, untold.get(missing))
          : rejectedAsForbidden(signal, missing);
        outcomes.set(signal, refusal);
      }
      return signals.filter((signal) => !outcomes.has(signal));
    };
    const permissions = this.authorizer.permissionsOf(caller, first.source, namespaces, deadline);
    if (!(permissions instanceof Promise)) return take(permissions);
    return permissions.then(take, (error: unknown) => {
      for (const signal of signals) outcomes.set(signal, toUnprocessed(signal, error));
      return [];
    });
  }

  /** Claims, creates, settles; then claims again what somebody else was creating, until nothing is open. */
  private async processFiring(
    incidents: readonly Incident[],
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    let open = incidents;
    try {
      for (let attempt = 0; open.length > 0; attempt++) {
        // What cannot be answered in time is not begun: the sender will send it again.
        if (deadline.aborted) throw new DeadlineExceededError();
        const signals = open.map(({ signal }) => signal);
        const endClaim = this.metrics.stage('claim');
        let claims: readonly Claimed[];
        try {
          claims = await this.deduplication.claim(signals, deadline);
        } finally {
          endClaim();
        }
        const held: HeldIncident[] = [];
        const pending: Incident[] = [];
        for (const [i, incident] of open.entries()) {
          const claimed = claims[i];
          if (claimed?.kind === 'carried') {
            outcomes.set(incident.signal, claimed.outcome);
            incident.known = claimed.known;
          } else if (claimed?.kind === 'fresh') held.push({ incident, fresh: claimed });
          else if (claimed?.kind === 'failed')
            outcomes.set(incident.signal, toUnprocessed(incident.signal, claimed.error));
          else pending.push(incident);
        }

        // All own creates end before anyone else's is awaited, so that two webhooks cannot wait for each other.
        if (held.length > 0) await this.processFresh(held, outcomes, deadline);
        if (pending.length === 0) break;
        open = await this.stillPending(pending, attempt, outcomes, deadline);
        if (open.length > 0)
          await this.deduplication.whenFreed(
            open.map(({ signal }) => signal),
            attempt,
            deadline,
          );
      }
    } catch (error) {
      for (const { signal } of open) if (!outcomes.has(signal)) outcomes.set(signal, toUnprocessed(signal, error));
    }
    const noted = this.carriedSignals.noteDuplicates(incidents, outcomes, deadline);
    if (noted !== undefined) await noted;
  }

  private async processFresh(held: readonly HeldIncident[], outcomes: Outcomes, deadline: AbortSignal): Promise<void> {
    const processed = await this.openAll(held, deadline);
    const endConfirm = this.metrics.stage('confirm');
    const occurrences = await this.deduplication.settle(processed.map(({ settlement }) => settlement));
    endConfirm();
    for (const [i, { incident, outcome, settlement }] of processed.entries()) {
      // The counts are those of the shared memory, when it could be told.
      if ('count' in outcome) Object.assign(outcome, occurrences[i]);
      outcomes.set(incident.signal, outcome);
      if (settlement.known !== undefined) incident.known = settlement.known;
    }
  }

  /**
   * Whose create is somebody else's, and not to be seen yet. A holder that died between create and confirm leaves a request
   * that carries the signal, and a claim that ends only with its lease.
   */
  private async stillPending(
    open: readonly Incident[],
    attempt: number,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<readonly Incident[]> {
    if (attempt < attemptsBeforeLooking) return open;
    const standings = await concurrently(open, ({ signal }) => this.deduplication.standing(signal, deadline));
    return open.filter((incident, i) => {
      const standing = standings[i];
      if (standing?.kind !== 'carried') return true;
      const { request, reason } = standing;
      const { signal } = incident;
      outcomes.set(signal, { ...seenBefore(signal, request), status: 'duplicate', request: refOf(request), reason });
      incident.known = request;
      return false;
    });
  }

  /**
   * Finds or opens the requests of fresh signals: one for each, and one for all that are a storm together. Each has exactly one
   * place in the answer, in no order. Never rejects: an error is an outcome too.
   */
  private async openAll(held: readonly HeldIncident[], deadline: AbortSignal): Promise<Processed[]> {
    const standings = await concurrently(held, ({ fresh }) => this.standing(fresh.signal, deadline));
    const processed: Processed[] = [];
    // In the order of the webhook: the first that is too many makes the storm.
    const newOnes: Uncarried[] = [];
    for (const [i, one] of held.entries()) {
      const standing = standings[i];
      if (standing?.kind === 'open') newOnes.push({ incident: one.incident, fresh: one.fresh, standing });
      else if (standing?.kind === 'carried') processed.push(carried(one, standing.request, standing.reason));
      else processed.push(unprocessed(one, standing?.error));
    }
    try {
      const countable = newOnes.filter(({ incident }) => incident.reopened !== true).map(({ fresh }) => fresh.signal);
      const endStorm = this.metrics.stage('storm');
      let placed: PlacedSignals;
      try {
        placed = await this.storms.place(countable, deadline);
      } finally {
        endStorm();
      }
      const { stormy, carried: ofStorms } = placed;
      if (stormy.length === 0 && ofStorms.size === 0) return processed.concat(await this.openEach(newOnes, deadline));
      const uncarried = new Map(newOnes.map((one) => [one.fresh.signal, one]));
      for (const [signal, { request, reason }] of ofStorms) {
        const one = uncarried.get(signal);
        if (one !== undefined) processed.push(carried(one, request, reason));
      }
      const inStorm = new Set(stormy.flatMap(({ signals }) => signals));
      const ordinary = newOnes.filter(({ fresh: { signal } }) => !inStorm.has(signal) && !ofStorms.has(signal));
      // First, so that the storm can name the requests before it.
      const single = await this.openEach(ordinary, deadline);
      const joined = await Promise.all(
        stormy.map(async (storm) => {
          const ones = storm.signals.flatMap((signal) => uncarried.get(signal) ?? []);
          return (await this.join(storm, ones, deadline)) ?? this.openEach(ones, deadline);
        }),
      );
      return [...processed, ...single, ...joined.flat()];
    } catch (error) {
      return [...processed, ...newOnes.map((one) => unprocessed(one, error))];
    }
  }

  /** How the incident of a fresh signal stands, or why that cannot be told. Never rejects. */
  private standing(signal: Signal, deadline: AbortSignal): Told | Promise<Told> {
    const untold = (error: unknown): Told => ({ kind: 'untold', error });
    try {
      const standing = this.deduplication.standing(signal, deadline);
      return standing instanceof Promise ? standing.catch(untold) : standing;
    } catch (error) {
      return untold(error);
    }
  }

  /** Has a storm carry its signals. `undefined` when it cannot, because its request is over. Never rejects. */
  private async join(
    stormy: StormySignals,
    ones: readonly Uncarried[],
    deadline: AbortSignal,
  ): Promise<Processed[] | undefined> {
    try {
      const claim = ones[0]?.fresh.token ?? '';
      // Each alert of a member may resolve by itself.
      const said = ones.flatMap(({ incident }) => incident.all.filter(isFiring));
      const classify = (signal: Signal) => this.classifier.classifyStorm(signal, deadline);
      const joined = await this.storms.join(stormy, said, claim, classify, deadline);
      if (joined === 'over') return undefined;
      const { created } = joined;
      const request = refOf(joined.request);
      const storm = this.storms.metadataOf(joined.request, stormy.group.pattern);
      return ones.map(({ incident, fresh }, i) => {
        const { signal } = fresh;
        const { fingerprint } = signal;
        const outcome: SignalOutcome =
          i === 0 && created !== undefined
            ? { ...createdFor(signal, request, created.classification, created.generation), storm }
            : { status: 'storm_aggregated', fingerprint, request, storm, reason: 'storm_member' };
        return { incident, outcome, settlement: { fresh, request, storm: true } };
      });
    } catch (error) {
      // Of a storm that exists only a write has failed.
      const isCreating = !this.storms.hasRequest(stormy.group);
      return ones.map((one) => (isCreating ? uncreated(one, error) : unprocessed(one, error)));
    }
  }

  /** Classifies new signals and opens their requests. Never rejects. */
  private async openEach(ones: readonly Uncarried[], deadline: AbortSignal): Promise<Processed[]> {
    if (ones.length === 0) return [];
    try {
      await this.classifier.ready(deadline);
    } catch (error) {
      return ones.map((one) => unprocessed(one, error));
    }
    const classified = this.classifier.inTurn(ones.map(({ fresh }) => fresh.signal));
    return concurrently(ones, (one, i) =>
      deadline.aborted ? unprocessed(one, new DeadlineExceededError()) : this.open(one, classified(i), deadline),
    );
  }

  /** Opens the request of a new signal. Never rejects. */
  private async open(
    one: Uncarried,
    classified: Classification | Promise<Classification> | undefined,
    deadline: AbortSignal,
  ): Promise<Processed> {
    const { incident, fresh, standing } = one;
    const { signal, token: claim } = fresh;
    try {
      const classification = classified instanceof Promise ? await classified : classified;
      if (classification === undefined) throw new Error('a signal was not classified');
      const firingAlerts = firingAlertsAfter(standing.over, incident.all.map(sightingOf));
      const opening = { signal, firingAlerts, claim };
      const endCreate = this.metrics.stage('create');
      let opened: Opened;
      try {
        opened = await this.requests.open(opening, classification, standing.generation, deadline);
      } finally {
        endCreate();
      }
      if (opened.kind === 'carried') return carried(one, opened.request, 'already_exists');
      const { request } = opened;
      const outcome = createdFor(signal, request, classification, opened.generation);
      return { incident, outcome, settlement: { fresh, request } };
    } catch (error) {
      return uncreated(one, error);
    }
  }
}

function unprocessed({ incident, fresh }: HeldIncident, error: unknown): Processed {
  return { incident, outcome: toUnprocessed(fresh.signal, error), settlement: { fresh } };
}

/** One whose create failed, or was not begun. */
function uncreated(one: HeldIncident, error: unknown): Processed {
  const { incident, outcome, settlement } = unprocessed(one, error);
  return { incident, outcome, settlement: { ...settlement, mayAppear: mayTakeEffect(error) } };
}

/** A signal that turned out to have a request already. */
function carried({ incident, fresh }: HeldIncident, known: KnownRequest, reason: DuplicateReason): Processed {
  const request = refOf(known);
  return {
    incident,
    outcome: { ...seenBefore(fresh.signal, known), status: 'duplicate', request, reason },
    settlement: { fresh, request, known, storm: known.storm !== undefined },
  };
}

/** The outcome of a signal that a request was created for. */
function createdFor(
  { fingerprint, receivedAt }: Signal,
  request: RequestRef,
  { environment, environmentSource, priority, prioritySource }: Classification,
  generation: number,
): Created {
  return {
    status: 'created',
    fingerprint,
    request,
    reason: generation === 1 ? 'new' : 'next_generation',
    environment,
    environmentSource,
    priority,
    prioritySource,
    count: 1,
    firstSeen: receivedAt,
    lastSeen: receivedAt,
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

function notASignal(entry: InvalidSignal | IgnoredSignal): SignalOutcome {
  if (entry instanceof IgnoredSignal) return { status: 'ignored', reason: entry.reason };
  const { problems, summary } = entry;
  return { status: 'rejected', reason: 'invalid', summary, details: problems };
}

/** The outcome of a signal whose incident stands in the webhook a second time: what became of the first. */
function sameAs(again: Signal, first: Signal | undefined, outcomes: Outcomes): SignalOutcome {
  const outcome = first === undefined ? undefined : outcomes.get(first);
  if (outcome === undefined) throw new Error('a signal has no outcome');
  if (outcome.status !== 'created' && outcome.status !== 'storm_aggregated') return outcome;
  const { count, firstSeen, lastSeen } = outcome.status === 'created' ? outcome : seenOnce(again);
  const { fingerprint, request } = outcome;
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
