import { Injectable } from '@nestjs/common';
import { Gauge, Histogram, register } from 'prom-client';
import { TalliedCounter } from './tallied-counter';

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const ageBuckets = [0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900, 3600];
/** Environments are free text: so many keep their name as a label value, the others are `other`. */
const maxEnvironments = 20;

/**
 * Every metric of the gateway; names and labels are part of its contract. A label value comes from a closed set, never
 * from a caller: no alert name, namespace, address, fingerprint or raw path.
 */
@Injectable()
export class GatewayMetrics {
  readonly httpRequests = counter('gateway_http_requests_total', 'Requests answered; 499: the sender hung up before.', [
    'method',
    'route',
    'status',
  ]);
  readonly httpErrors = counter('gateway_http_errors_total', 'Requests answered with 4xx or 5xx.', ['route', 'status']);
  readonly httpDuration = histogram(
    'gateway_http_duration_seconds',
    'Time to answer a request.',
    ['method', 'route'],
    latencyBuckets,
  );

  readonly signalsReceived = counter(
    'gateway_signals_received_total',
    'Valid signals received, resolved ones included.',
    ['source', 'severity', 'environment'],
  );
  readonly signalsDeduplicated = counter(
    'gateway_signals_deduplicated_total',
    'Signals that an existing request carries.',
    ['source'],
  );
  readonly signalsRejected = counter('gateway_signals_rejected_total', 'Signals refused for good, by reason.', [
    'source',
    'reason',
  ]);
  readonly signalsIgnored = counter(
    'gateway_signals_ignored_total',
    'Signals that need nothing, such as normal events.',
    ['source', 'reason'],
  );
  readonly signalsFailed = counter(
    'gateway_signals_failed_total',
    'Signals that the sender must send again, by reason.',
    ['source', 'reason'],
  );
  readonly ownerLookups = counter(
    'gateway_owner_lookups_total',
    'Signals whose owner was looked up, by what told it; `nothing` when the object stands for itself because nothing did.',
    ['by'],
  );
  readonly signalsTruncated = counter(
    'gateway_signals_truncated_total',
    'Alerts that the sender itself left out of a webhook.',
    ['source'],
  );
  readonly stormsDetected = counter('gateway_storms_detected_total', 'Alert storms detected.', ['type']);
  readonly stormMembers = counter('gateway_storm_members_total', 'New signals that joined a storm.', ['type']);
  readonly heartbeat = gauge('gateway_heartbeat_timestamp_seconds', 'Unix time of the last heartbeat signal.', [
    'source',
  ]);

  readonly eventWatchActive = gauge(
    'gateway_event_watch_active',
    '1 while this replica watches the events of the cluster, else 0.',
  );

  readonly requestsCreated = counter('gateway_remediation_requests_created_total', 'RemediationRequests created.', [
    'environment',
    'priority',
  ]);
  readonly requestErrors = counter(
    'gateway_remediation_request_errors_total',
    'Firing signals for which no RemediationRequest could be created, by reason.',
    ['reason'],
  );
  readonly alertToRequest = histogram(
    'gateway_alert_to_request_seconds',
    'From the start of an alert to its acknowledged RemediationRequest.',
    [],
    ageBuckets,
  );
  readonly stageDuration = histogram(
    'gateway_stage_duration_seconds',
    'Time in a stage of processing.',
    ['stage'],
    latencyBuckets,
  );
  readonly prioritySource = counter('gateway_priority_source_total', 'Priorities decided, by what decided.', [
    'source',
  ]);
  readonly policyFailures = counter(
    'gateway_policy_failures_total',
    'Priorities that the policy did not decide, by why.',
    ['reason'],
  );
  readonly environmentSource = counter('gateway_environment_source_total', 'Environments decided, by what decided.', [
    'source',
  ]);

  readonly authentication = counter('gateway_authentication_total', 'Authentications, by result.', ['result']);
  readonly authorization = counter(
    'gateway_authorization_total',
    'Target namespaces of webhooks that a caller was, or was not, allowed to send signals for.',
    ['result'],
  );
  readonly rateLimited = counter('gateway_rate_limited_total', 'Requests refused by a rate limit, by kind.', ['kind']);

  readonly webhooksShed = counter(
    'gateway_webhooks_shed_total',
    'Webhooks answered 503 unread, because more was under way than the replica can work on, by what there was no room for.',
    ['reason'],
  );

  readonly redisConnection = gauge('gateway_redis_connection_status', '1 while Redis is connected, 0 while it is not.');
  readonly cacheEntries = gaugeReadAtScrape(
    'gateway_cache_entries',
    'Entries of each bounded or watched memory.',
    'cache',
  );
  readonly watchSilence = gaugeReadAtScrape(
    'gateway_watch_silence_seconds',
    'Time since the API server was last heard of, by watch.',
    'watch',
  );
  readonly circuitBreaker = gaugeReadAtScrape(
    'gateway_circuit_breaker_state',
    '0 while calls go through (closed), 1 while they fail at once (open), 2 while one is tried (half-open).',
    'dependency',
  );
  readonly buildInfo = gauge('gateway_build_info', 'Always 1; the labels say what runs.', ['version', 'node']);

  private readonly environments = new Set<string>();

  /** The label value for an environment: its name, or `other` when there are too many, and for one that may not be named. */
  environmentLabel(environment: string | undefined): string {
    if (environment === undefined) return 'other';
    if (!this.environments.has(environment)) {
      if (this.environments.size >= maxEnvironments) return 'other';
      this.environments.add(environment);
    }
    return environment;
  }

  /** Says how to read a memory's size whenever metrics are scraped. */
  countEntries(sizes: Readonly<Record<string, () => number>>): void {
    readers.set('gateway_cache_entries', sizes);
  }

  /** Says how to read a watch's silence, in seconds, whenever metrics are scraped. */
  timeSilence(seconds: Readonly<Record<string, () => number>>): void {
    readers.set('gateway_watch_silence_seconds', seconds);
  }

  /** Says how to read the state of each circuit breaker whenever metrics are scraped. */
  showCircuits(states: Readonly<Record<string, () => number>>): void {
    readers.set('gateway_circuit_breaker_state', states);
  }

  /** Starts to time a stage; call what it answers when the stage ends. */
  stage(name: 'claim' | 'storm' | 'classify' | 'create' | 'confirm'): () => void {
    const startedAt = performance.now();
    return () => this.stageDuration.observe({ stage: name }, (performance.now() - startedAt) / 1000);
  }
}

// The registry is the process's: a second gateway in it (specs start several) shares the metrics of the first.

/** What gauges read at a scrape, by metric and label value. */
const readers = new Map<string, Readonly<Record<string, () => number>>>();

function gaugeReadAtScrape<L extends string>(name: string, help: string, label: L): Gauge<L> {
  const existing = register.getSingleMetric(name) as Gauge<L> | undefined;
  return (
    existing ??
    new Gauge<L>({
      name,
      help,
      labelNames: [label],
      collect() {
        for (const [value, read] of Object.entries(readers.get(name) ?? {})) {
          this.set({ [label]: value } as Record<L, string>, read());
        }
      },
    })
  );
}

function counter<L extends string>(name: string, help: string, labelNames: readonly L[]): TalliedCounter<L> {
  return (
    (register.getSingleMetric(name) as TalliedCounter<L> | undefined) ?? new TalliedCounter(name, help, labelNames)
  );
}

function gauge<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
  return (register.getSingleMetric(name) as Gauge<L> | undefined) ?? new Gauge({ name, help, labelNames });
}

function histogram<L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
  buckets: number[],
): Histogram<L> {
  return (
    (register.getSingleMetric(name) as Histogram<L> | undefined) ?? new Histogram({ name, help, labelNames, buckets })
  );
}
