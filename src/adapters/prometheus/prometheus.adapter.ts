import { fingerprint, type IdentityRules } from '../../signal/fingerprint';
import { toSeverity, type Severity } from '../../signal/severity';
import { InvalidSignal, type Signal, type SignalLinks } from '../../signal/signal';
import { findTarget } from '../../signal/target-resource';
import { parseTimestamp } from '../../signal/timestamp';
import type { AlertDto, AlertmanagerWebhookDto } from './alertmanager-webhook.dto';

export const SIGNAL_RULES = Symbol('SignalRules');

/** Of one alert; a label set of thousands can be wrong in thousands of places. */
const maxProblems = 50;

/** What configuration says about reading signals. */
export interface SignalRules extends IdentityRules {
  readonly defaultNamespace: string;
  readonly severityMapping: ReadonlyMap<string, Severity>;
}

/**
 * Reads Alertmanager's alerts, one at a time as they are asked for: ten thousand are not all mapped before the first is
 * processed. What is not an alert comes out as an `InvalidSignal` in its place.
 */
export function* toSignals(
  webhook: AlertmanagerWebhookDto,
  rules: SignalRules,
  receivedAt: number,
): Generator<Signal | InvalidSignal> {
  const { externalURL, receiver, groupKey } = webhook;
  const shared = present({ externalURL: textOf(externalURL), receiver: textOf(receiver), groupKey: textOf(groupKey) });
  for (const alert of webhook.alerts) yield toSignal(alert, shared, rules, receivedAt);
}

function toSignal(alert: unknown, shared: SignalLinks, rules: SignalRules, receivedAt: number): Signal | InvalidSignal {
  if (!isObject(alert)) return invalid(['alert must be an object']);
  const { status, startsAt, endsAt, generatorURL, fingerprint: senderFingerprint } = alert as AlertDto;
  const problems: string[] = [];
  const labels = toMap('labels', alert.labels, problems);
  // Annotations are only shown: what is wrong in them costs no alert.
  const annotations = toMap('annotations', alert.annotations, []);
  const name = labels.get('alertname') ?? '';
  if (name.trim() === '') problems.push('alertname is required');
  if (problems.length > 0) return invalid(problems);

  const target = findTarget(labels, rules.defaultNamespace);
  return {
    source: 'prometheus',
    name,
    status: status === 'resolved' ? 'resolved' : 'firing',
    severity: toSeverity(labels.get('severity'), rules.severityMapping),
    namespace: target.namespace,
    resource: target.resource,
    labels,
    annotations,
    startsAt: parseTimestamp(startsAt) ?? receivedAt,
    ...present({ endsAt: parseTimestamp(endsAt) }),
    receivedAt,
    links: { ...shared, ...present({ generatorURL: textOf(generatorURL) }) },
    fingerprint: fingerprint(name, target, labels, rules),
    ...present({ senderFingerprint: textOf(senderFingerprint) }),
    payload: alert,
  };
}

function invalid(problems: string[]): InvalidSignal {
  const more = problems.length - maxProblems;
  const listed = more > 0 ? [...problems.slice(0, maxProblems), `and ${more} more`] : problems;
  const [first = 'invalid alert', ...rest] = listed;
  const summary = problems.includes('alertname is required') ? "missing required field 'alertname'" : first;
  return new InvalidSignal('prometheus', [first, ...rest], summary);
}

/** Text values as they are, numbers and booleans as text; `null` is an empty map. */
function toMap(field: string, value: unknown, problems: string[]): Map<string, string> {
  const map = new Map<string, string>();
  if (value === undefined || value === null) return map;
  if (!isObject(value)) {
    problems.push(`${field} must be an object`);
    return map;
  }
  for (const key of Object.keys(value)) {
    const entry = value[key];
    if (typeof entry === 'string') map.set(key, entry);
    else if (typeof entry === 'number' || typeof entry === 'boolean') map.set(key, String(entry));
    else if (entry !== null) problems.push(`${field} must hold text only, '${key.slice(0, 64)}' does not`);
  }
  return map;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Without the members that are not there. */
function present<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
