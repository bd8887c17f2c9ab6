import type { SignalOutcome, StormMetadata } from '../processing/signal-outcome';
import { formatTimestamp } from '../signal/timestamp';
import { problem, type Problem } from '../http/problem';

/** What is answered to a sender: a status code it can act on, and the body that says what became of its signals. */
export interface SignalResponse {
  readonly status: number;
  readonly body: object;
}

const noCounts = {
  received: 0,
  created: 0,
  duplicate: 0,
  storm_aggregated: 0,
  resolved: 0,
  heartbeat: 0,
  ignored: 0,
  rejected: 0,
  failed: 0,
};
/** Listed problems of one answer; Alertmanager writes the body into its log. */
const maxListed = 50;

/** The answer for a webhook. A single signal has a body of its own, several have a summary and a result each (contract, section 2). */
export function toResponse(outcomes: readonly SignalOutcome[], processingTimeMs: number): SignalResponse {
  const status = statusOf(outcomes);
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined) {
    const body = status >= 400 ? refusal(status, outcomes) : resultOf(only);
    return { status, body: { ...body, processing_time_ms: processingTimeMs } };
  }
  const counts = countsOf(outcomes);
  const results = outcomes.map(resultOf);
  const body =
    status >= 400
      ? { ...refusal(status, outcomes), summary: counts, results }
      : { status: 'processed', summary: counts, results };
  return { status, body: { ...body, processing_time_ms: processingTimeMs } };
}

/** How many of the signals came to what. */
export function countsOf(outcomes: readonly SignalOutcome[]): typeof noCounts {
  const counts = { ...noCounts, received: outcomes.length };
  for (const { status } of outcomes) counts[status]++;
  return counts;
}

/** The first line of the contract's table (section 2.3) that fits. */
function statusOf(outcomes: readonly SignalOutcome[]): number {
  const failed = outcomes.filter((outcome) => outcome.status === 'failed');
  if (failed.length > 0) return failed.every(({ reason }) => reason === 'internal_error') ? 500 : 503;
  if (outcomes.some(({ status }) => status === 'created')) return 201;
  if (outcomes.some(({ status }) => status !== 'rejected')) return 202;
  const isForbidden =
    outcomes.length > 0 && outcomes.every((outcome) => 'reason' in outcome && outcome.reason === 'forbidden');
  return isForbidden ? 403 : 400;
}

function refusal(status: number, outcomes: readonly SignalOutcome[]): Problem {
  if (status === 500)
    return problem('internal-error', 'An unexpected error occurred; its details are in the log of the gateway');
  if (status === 503) {
    const failed = outcomes.filter((outcome) => outcome.status === 'failed');
    const reasons = [...new Set(failed.map(({ reason }) => reason))];
    return problem(
      'unavailable',
      `${failed.length} of ${outcomes.length} signals could not be processed now, send them again`,
      {
        retry: true,
        reasons,
      },
    );
  }
  const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (status === 403) {
    const reasons = [...new Set(rejected.flatMap(({ details }) => details))];
    return problem('forbidden', `Authorization failed: ${rejected[0]?.summary ?? ''}`, {
      authorization_errors: reasons.slice(0, maxListed),
    });
  }
  const problems = rejected.flatMap(({ details }, i) =>
    outcomes.length === 1 ? details : details.map((detail) => `alerts[${i}]: ${detail}`),
  );
  return problem('validation-error', `Signal validation failed: ${rejected[0]?.summary ?? 'no signals'}`, {
    validation_errors: problems.slice(0, maxListed),
    ...(problems.length > maxListed ? { more: problems.length - maxListed } : {}),
  });
}

function stormMetadata(storm: StormMetadata): object {
  return {
    type: storm.type,
    pattern: storm.pattern,
    alert_count: storm.alertCount,
    affected_resources: storm.affectedResources,
    total_affected_resources: storm.totalAffectedResources,
    aggregation_window: storm.aggregationWindow,
  };
}

function resultOf(outcome: SignalOutcome): object {
  switch (outcome.status) {
    case 'created':
      return {
        status: 'created',
        fingerprint: outcome.fingerprint,
        remediation_request_name: outcome.request.name,
        namespace: outcome.request.namespace,
        environment: outcome.environment,
        priority: outcome.priority,
        duplicate: false,
        storm_aggregation: outcome.storm !== undefined,
        environment_source: outcome.environmentSource,
        priority_source: outcome.prioritySource,
        reason: outcome.reason,
        ...(outcome.storm ? { storm_metadata: stormMetadata(outcome.storm) } : {}),
      };
    case 'storm_aggregated':
      return {
        status: 'storm_aggregated',
        fingerprint: outcome.fingerprint,
        storm_aggregation: true,
        remediation_request_name: outcome.request.name,
        namespace: outcome.request.namespace,
        storm_metadata: stormMetadata(outcome.storm),
        reason: outcome.reason,
      };
    case 'duplicate':
      return {
        status: 'duplicate',
        fingerprint: outcome.fingerprint,
        duplicate: true,
        metadata: {
          count: outcome.count,
          first_seen: formatTimestamp(outcome.firstSeen),
          last_seen: formatTimestamp(outcome.lastSeen),
          remediation_request_ref: outcome.request.name,
        },
        reason: outcome.reason,
      };
    case 'resolved':
      return {
        status: 'resolved',
        fingerprint: outcome.fingerprint,
        ...(outcome.request ? { remediation_request_name: outcome.request.name } : {}),
        reason: outcome.reason,
      };
    case 'heartbeat':
      return { status: 'heartbeat', fingerprint: outcome.fingerprint };
    case 'ignored':
      return { status: 'ignored', reason: outcome.reason };
    case 'rejected':
      return { status: 'rejected', reason: outcome.reason, details: outcome.details };
    case 'failed':
      return { status: 'failed', fingerprint: outcome.fingerprint, reason: outcome.reason, details: ['send it again'] };
  }
}
