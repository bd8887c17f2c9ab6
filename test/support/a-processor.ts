import { Authorizer } from '../../src/auth/authorizer';
import type { Caller } from '../../src/caller';
import type { Clock } from '../../src/clock';
import { GatewayMetrics } from '../../src/metrics/gateway-metrics';
import { CarriedSignals } from '../../src/processing/carried-signals';
import { Classifier } from '../../src/processing/classifier';
import { Deduplication } from '../../src/processing/deduplication/deduplication';
import { EnvironmentClassifier } from '../../src/processing/environment/environment-classifier';
import { PriorityEvaluator } from '../../src/processing/priority/priority-evaluator';
import type { PriorityPolicy } from '../../src/processing/priority/priority-policy';
import { Recurrences } from '../../src/processing/recurrence/recurrences';
import { RequestOpener } from '../../src/processing/request-opener';
import { RequestStatus } from '../../src/processing/request-status/request-status';
import { SignalJournal } from '../../src/processing/signal-journal';
import { SignalProcessor } from '../../src/processing/signal-processor';
import { StatusWriter } from '../../src/processing/status-writer';
import { StormCommits } from '../../src/processing/storm/storm-commits';
import { StormLookup } from '../../src/processing/storm/storm-lookup';
import type { StormGrouping } from '../../src/processing/storm/storm-group';
import { patternWindowMs, rateWindowMs, Storms } from '../../src/processing/storm/storms';
import type { InvalidSignal, Signal } from '../../src/signal/signal';
import { EmbeddedSignalState } from '../../src/state/embedded/embedded-signal-state';
import { EmbeddedStormMembers } from '../../src/state/embedded/embedded-storm-members';
import { EmbeddedStormWindows } from '../../src/state/embedded/embedded-storm-windows';
import type { SignalState } from '../../src/state/signal-state';
import type { StormMembers } from '../../src/state/storm-members';
import type { StormRules, StormWindows } from '../../src/state/storm-windows';
import { FakeAccessReviewClient } from './fake-access-reviews';
import { FakeRemediationRequestClient, FakeRemediationRequestIndex } from './fake-remediation-requests';
import { RecordingLog } from './recording-log';
import { FakeNamespaces, FakeOverrides } from './watched-cluster';

export const cooldownMs = 300_000;
export const fallbackNamespace = 'kubernaut-system';
/** A deadline that never comes. */
export const inTime = new AbortController().signal;

export const alertmanager: Caller = { username: 'alertmanager' };

/** A memory as long as the specs live; its timer holds no process. */
export function aState(clock: Clock): EmbeddedSignalState {
  return new EmbeddedSignalState({ clock, ttlMs: 300_000, leaseMs: 10_000, cleanupIntervalMs: 60_000 });
}

/** Leaves everything to the table. */
export const noPolicy: Pick<PriorityPolicy, 'evaluate'> = {
  evaluate: () => ({ failure: 'undefined', reason: 'there is none' }),
};

/** What replicas share of storms, and by which rules. */
export interface StormMemory {
  readonly windows: StormWindows;
  readonly members: StormMembers;
  readonly grouping: StormGrouping;
  readonly rules: StormRules;
}

/** As configured by default, and switched off: most specs are about single signals. */
export const noStorms: StormGrouping = {
  enabled: false,
  groupBy: ['namespace', 'alertname'],
  excludeNamespaces: [],
  excludeAlerts: [],
  cluster: '',
};
export const defaultStormRules: StormRules = {
  rateThreshold: 10,
  rateWindowMs,
  patternThreshold: 5,
  patternWindowMs,
  similarityThreshold: 0.8,
  aggregationWindowMs: 60_000,
  maxWindowMs: 900_000,
};

/** One replica. Replicas of one cluster share `requests`, and `state` while their Redis is up. */
export function aProcessor(
  clock: Clock,
  requests = new FakeRemediationRequestClient(clock),
  state: SignalState = aState(clock),
  storm: Partial<StormMemory> = {},
) {
  const log = new RecordingLog();
  const metrics = new GatewayMetrics();
  const index = new FakeRemediationRequestIndex(requests, clock);
  const namespaces = new FakeNamespaces({ 'prod-payment-service': { environment: 'production' } });
  const rules = {
    sources: ['namespace_label'] as const,
    namespaceLabels: ['environment'],
    namespacePatterns: [],
    defaultEnvironment: 'unknown',
  };
  const environment = new EnvironmentClassifier(rules, namespaces, new FakeOverrides());
  const priority = new PriorityEvaluator(
    new Map([
      ['critical_production', 'P1'],
      ['default', 'P3'],
    ]),
    noPolicy,
    metrics,
    new RecordingLog(),
  );
  const { grouping = noStorms, rules: stormRules = defaultStormRules } = storm;
  const lookup = new StormLookup(index, clock, cooldownMs, grouping);
  const deduplication = new Deduplication(state, index, requests, clock, cooldownMs, lookup);
  const opener = new RequestOpener(requests, index, clock, cooldownMs, fallbackNamespace);
  const journal = new SignalJournal(metrics, environment, clock, log);
  const reviews = new FakeAccessReviewClient();
  const authorizer = new Authorizer(
    reviews,
    { allowedTtlMs: 300_000, deniedTtlMs: 30_000, maxReviewsInFlight: 16 },
    clock,
    metrics,
    log,
  );
  const writer = new StatusWriter(requests, index, clock);
  const status = new RequestStatus(writer, log);
  const { windows = new EmbeddedStormWindows(clock), members = new EmbeddedStormMembers(clock) } = storm;
  const commits = new StormCommits(members, writer, clock, () => 20);
  const storms = new Storms(windows, commits, lookup, index, opener, clock, () => stormRules, metrics, log);
  const processor = new SignalProcessor(
    authorizer,
    deduplication,
    new Classifier(environment, priority, metrics),
    opener,
    storms,
    new CarriedSignals(deduplication, storms, status),
    journal,
    metrics,
    new Set(['Watchdog']),
  );
  const recurrences = new Recurrences(
    index,
    requests,
    writer,
    status,
    processor,
    storms,
    clock,
    cooldownMs,
    [fallbackNamespace],
    log,
  );
  return {
    processor,
    /** Sends as a caller that may send for all namespaces, unless `reviews` says otherwise. */
    send: (entries: Iterable<Signal | InvalidSignal>, deadline: AbortSignal = inTime) =>
      processor.processAll(entries, alertmanager, deadline),
    requests,
    reviews,
    index,
    deduplication,
    opener,
    storms,
    status,
    recurrences,
    namespaces,
    environment,
    priority,
    state,
    log,
  };
}
