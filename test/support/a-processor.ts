import type { Clock } from '../../src/clock';
import { GatewayMetrics } from '../../src/metrics/gateway-metrics';
import { Deduplication } from '../../src/processing/deduplication/deduplication';
import { EnvironmentClassifier } from '../../src/processing/environment/environment-classifier';
import { PriorityEvaluator } from '../../src/processing/priority/priority-evaluator';
import { RequestOpener } from '../../src/processing/request-opener';
import { SignalJournal } from '../../src/processing/signal-journal';
import { SignalProcessor } from '../../src/processing/signal-processor';
import { EmbeddedSignalState } from '../../src/state/embedded/embedded-signal-state';
import type { SignalState } from '../../src/state/signal-state';
import { FakeRemediationRequestClient, FakeRemediationRequestIndex } from './fake-remediation-requests';
import { RecordingLog } from './recording-log';
import { FakeNamespaces, FakeOverrides } from './watched-cluster';

export const cooldownMs = 300_000;
export const fallbackNamespace = 'kubernaut-system';
/** A deadline that never comes. */
export const inTime = new AbortController().signal;

/** A memory as long as the specs live; its timer holds no process. */
export function aState(clock: Clock): EmbeddedSignalState {
  return new EmbeddedSignalState({ clock, ttlMs: 300_000, leaseMs: 10_000, cleanupIntervalMs: 60_000 });
}

/** One replica. Replicas of one cluster share `requests`, and `state` while their Redis is up. */
export function aProcessor(
  clock: Clock,
  requests = new FakeRemediationRequestClient(clock),
  state: SignalState = aState(clock),
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
  );
  const deduplication = new Deduplication(state, index, requests, clock, cooldownMs);
  const opener = new RequestOpener(requests, clock, cooldownMs, fallbackNamespace);
  const journal = new SignalJournal(metrics, environment, clock, log);
  const processor = new SignalProcessor(
    deduplication,
    environment,
    priority,
    opener,
    journal,
    metrics,
    new Set(['Watchdog']),
  );
  return { processor, requests, index, deduplication, opener, namespaces, environment, priority, state, log };
}
