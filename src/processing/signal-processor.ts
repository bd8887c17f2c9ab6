import { setImmediate } from 'node:timers/promises';
import pMap from 'p-map';
import { DeadlineExceededError } from '../deadline';
import type { KnownRequest } from '../kubernetes/known-request';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { InvalidSignal, type Signal } from '../signal/signal';
import type { Occurrences } from '../state/signal-state';
import { refOf, type Deduplication, type FreshSignal, type Settlement } from './deduplication/deduplication';
import type { EnvironmentClassifier } from './environment/environment-classifier';
import { toUnprocessed } from './failure';
import type { PriorityEvaluator } from './priority/priority-evaluator';
import type { RequestOpener } from './request-opener';
import type { SignalJournal } from './signal-journal';
import type { DuplicateReason, SignalOutcome } from './signal-outcome';

/** So many alerts are mapped, claimed and answered before other requests get their turn of the event loop. */
const batchSize = 500;
/** Creates of one webhook that are under way at once; others share the connections. */
const concurrentCreates = 16;

type Outcomes = Map<Signal, SignalOutcome>;

/** What becomes of a fresh signal: its outcome, and what that means for its claim. */
interface Processed {
  readonly outcome: SignalOutcome;
  readonly settlement: Settlement;
}

/** The path of a signal, from claim to acknowledged request. Every signal gets exactly one outcome, and none hides another. */
export class SignalProcessor {
  constructor(
    private readonly deduplication: Deduplication,
    private readonly environment: EnvironmentClassifier,
    private readonly priority: PriorityEvaluator,
    private readonly requests: RequestOpener,
    private readonly journal: SignalJournal,
    private readonly metrics: GatewayMetrics,
    private readonly heartbeats: ReadonlySet<string>,
  ) {}

  /**
   * Processes what a webhook holds; `outcomes[i]` belongs to `entries[i]`. Never rejects.
   * @param entries may be lazy: they are drawn batch by batch
   * @param deadline aborts what is still under way; what was not decided by then has failed
   */
  async processAll(entries: Iterable<Signal | InvalidSignal>, deadline: AbortSignal): Promise<SignalOutcome[]> {
    const outcomes: SignalOutcome[] = [];
    for (const batch of batches(entries)) {
      if (outcomes.length > 0) await setImmediate();
      outcomes.push(...(await this.processBatch(batch, deadline)));
    }
    return outcomes;
  }

  private async processBatch(
    batch: readonly (Signal | InvalidSignal)[],
    deadline: AbortSignal,
  ): Promise<SignalOutcome[]> {
    const outcomes: Outcomes = new Map();
    const firing = new Map<string, Signal>();
    const resolved: Signal[] = [];
    for (const entry of batch) {
      if (entry instanceof InvalidSignal) continue;
      if (entry.status === 'resolved') resolved.push(entry);
      else if (this.heartbeats.has(entry.name)) outcomes.set(entry, heartbeat(entry));
      else if (!firing.has(entry.fingerprint)) firing.set(entry.fingerprint, entry);
    }

    await this.processFiring([...firing.values()], outcomes, deadline);
    await this.processResolved(resolved, firing, outcomes, deadline);

    return batch.map((entry) => {
      const outcome =
        entry instanceof InvalidSignal
          ? rejectedAsInvalid(entry)
          : (outcomes.get(entry) ?? sameAs(firing.get(entry.fingerprint), outcomes));
      this.journal.record(entry, outcome);
      return outcome;
    });
  }

  /** Claims, creates, settles; then claims again what somebody else was creating, until nothing is open. */
  private async processFiring(signals: readonly Signal[], outcomes: Outcomes, deadline: AbortSignal): Promise<void> {
    let open = signals;
    try {
      for (let attempt = 0; open.length > 0; attempt++) {
        // What cannot be answered in time is not begun: the sender will send it again.
        if (deadline.aborted) throw new DeadlineExceededError();
        const endClaim = this.metrics.stage('claim');
        const { duplicates, fresh, pending, failed } = await this.deduplication.claim(open, deadline);
        endClaim();
        for (const [signal, outcome] of duplicates) outcomes.set(signal, outcome);
        for (const [signal, error] of failed) outcomes.set(signal, toUnprocessed(signal, error));

        // All own creates end before anyone else's is awaited, so that two webhooks cannot wait for each other.
        await this.processFresh(fresh, outcomes, deadline);
        open = pending;
        if (pending.length > 0) await this.deduplication.whenFreed(pending, attempt, deadline);
      }
    } catch (error) {
      for (const signal of open) if (!outcomes.has(signal)) outcomes.set(signal, toUnprocessed(signal, error));
    }
  }

  private async processFresh(fresh: readonly FreshSignal[], outcomes: Outcomes, deadline: AbortSignal): Promise<void> {
    if (fresh.length === 0) return;
    const processed = await pMap(fresh, (claim) => this.open(claim, deadline), { concurrency: concurrentCreates });
    const endConfirm = this.metrics.stage('confirm');
    const occurrences = await this.deduplication.settle(processed.map(({ settlement }) => settlement));
    endConfirm();
    for (const [i, { outcome, settlement }] of processed.entries()) {
      // The counts are those of the shared memory, when it could be told.
      outcomes.set(settlement.fresh.signal, 'count' in outcome ? { ...outcome, ...occurrences[i] } : outcome);
    }
  }

  /** Classifies a fresh signal and opens its request. Never rejects: an error is an outcome too. */
  private async open(fresh: FreshSignal, deadline: AbortSignal): Promise<Processed> {
    const { signal } = fresh;
    try {
      const standing = await this.deduplication.standing(signal, deadline);
      if (standing.kind === 'carried') return carried(fresh, standing.request, standing.reason);

      const endClassify = this.metrics.stage('classify');
      await this.environment.ready(deadline);
      const environment = this.environment.classify(signal);
      const classification = { ...environment, ...this.priority.evaluate(signal, environment.environment) };
      endClassify();

      const endCreate = this.metrics.stage('create');
      const opened = await this.requests.open(signal, classification, standing.generation, deadline);
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

  private async processResolved(
    signals: readonly Signal[],
    firing: ReadonlyMap<string, Signal>,
    outcomes: Outcomes,
    deadline: AbortSignal,
  ): Promise<void> {
    if (signals.length === 0) return;
    try {
      const carriers = await this.deduplication.carriers(signals, deadline);
      for (const [i, signal] of signals.entries()) {
        const { fingerprint } = signal;
        const request = carriers[i];
        const reason = firing.has(fingerprint) ? 'still_firing' : request === undefined ? 'no_request' : 'resolved';
        outcomes.set(signal, { status: 'resolved', fingerprint, reason, ...(request ? { request } : {}) });
      }
    } catch (error) {
      for (const signal of signals) outcomes.set(signal, toUnprocessed(signal, error));
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

/** What stands when the shared memory cannot say more. */
function seenOnce({ fingerprint, receivedAt }: Signal): { fingerprint: string } & Occurrences {
  return { fingerprint, count: 1, firstSeen: receivedAt, lastSeen: receivedAt };
}

function heartbeat({ fingerprint }: Signal): SignalOutcome {
  return { status: 'heartbeat', fingerprint, reason: 'heartbeat' };
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
