import { fingerprint } from '../signal/fingerprint';
import { labelOf } from '../signal/labels';
import { toSeverity } from '../signal/severity';
import { InvalidSignal, type Signal, type SignalLinks } from '../signal/signal';
import { findTarget, targetWithoutObject } from '../signal/target-resource';
import { parseTimestamp } from '../signal/timestamp';
import { isObject, textOf, textsOf } from './json-values';
import type { SignalRules } from './signal-rules';

/**
 * What Grafana calls an alert whose rule could not be evaluated, whatever the rule is called. It may send it through an Alertmanager. Nothing
 * is known of the workload that the rule's labels name: what is broken is its monitoring. Their namespace says whose rule it is. All labels
 * tell two such rules apart, among them `rulename` and `datasource_uid`.
 */
const aboutMonitoring: ReadonlySet<string> = new Set(['DatasourceNoData', 'DatasourceError']);

/** How far a sender's clock may be ahead. Milliseconds. */
const maxAheadMs = 600_000;

/** Of one alert; a label set of thousands can be wrong in thousands of places. */
const maxProblems = 50;

/** Whose webhook an alert stands in. */
export interface AlertOrigin {
  readonly source: string;
  /** What the webhook says for all of its alerts. */
  readonly links: SignalLinks;
  readonly receivedAt: number;
}

/** Reads one alert as Alertmanager writes it, which Grafana does as well. */
export function readAlert(alert: unknown, origin: AlertOrigin, rules: SignalRules): Signal | InvalidSignal {
  const { source, links, receivedAt } = origin;
  if (!isObject(alert)) return invalid(source, ['alert must be an object']);
  const problems: string[] = [];
  const labels = textsOf('labels', alert.labels, problems);
  const name = labelOf(labels, 'alertname') ?? '';
  if (name.trim() === '') problems.push('alertname is required');
  if (problems.length > 0) return invalid(source, problems);

  const target = aboutMonitoring.has(name) ? targetWithoutObject(labels) : findTarget(labels, rules.defaultNamespace);
  const generatorURL = textOf(alert.generatorURL);
  return {
    source,
    name,
    status: isResolved(alert.status) ? 'resolved' : 'firing',
    severity: toSeverity(labelOf(labels, 'severity'), rules.severityMapping),
    namespace: target.namespace,
    resource: target.resource,
    labels,
    // They are only shown: what is wrong in them costs no alert.
    annotations: textsOf('annotations', alert.annotations),
    startsAt: beginningOf(alert.startsAt, receivedAt),
    endsAt: parseTimestamp(alert.endsAt),
    receivedAt,
    links: generatorURL === undefined ? links : { ...links, generatorURL },
    fingerprint: fingerprint(name, target, labels, rules),
    senderFingerprint: textOf(alert.fingerprint),
    payload: alert,
  };
}

/** One that is ahead of ours by more than clocks are is none, for the end of the alert would come before it. Not said: when it was received. */
function beginningOf(startsAt: unknown, receivedAt: number): number {
  const said = parseTimestamp(startsAt);
  return said === undefined || said > receivedAt + maxAheadMs ? receivedAt : said;
}

/** Senders write it small; one that does not must not begin what it wants to end. */
function isResolved(status: unknown): boolean {
  return status === 'resolved' || (typeof status === 'string' && status.toLowerCase() === 'resolved');
}

function invalid(source: string, problems: string[]): InvalidSignal {
  const more = problems.length - maxProblems;
  const listed = more > 0 ? [...problems.slice(0, maxProblems), `and ${more} more`] : problems;
  const [first = 'invalid alert', ...rest] = listed;
  const summary = problems.includes('alertname is required') ? "missing required field 'alertname'" : first;
  return new InvalidSignal(source, [first, ...rest], summary);
}
