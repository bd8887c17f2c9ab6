import { fingerprint } from '../../signal/fingerprint';
import type { Labels } from '../../signal/labels';
import type { Severity } from '../../signal/severity';
import { IgnoredSignal, InvalidSignal, type SignalReading } from '../../signal/signal';
import {
  isClusterWide,
  labelOfKind,
  namespacedKinds,
  type Target,
  type TargetResource,
} from '../../signal/target-resource';
import { parseTimestamp } from '../../signal/timestamp';
import { isObject, present, textOf, textsOf } from '../json-values';
import type { SignalRules } from '../signal-rules';

export const source = 'kubernetes-event';

export interface EventRules extends SignalRules {
  readonly severities: ReadonlyMap<string, Severity>;
}

/** What reacts to requests reports on them by events: to react to those would never end. */
const ownGroup = /(^|\.)kubernaut\.io\//;
/** API versions whose group is one of Kubernetes; that of others has the name of a domain. */
const ownOfKubernetes = /^(?:[^./]+\/)?[^./]+$|\.k8s\.io\//;
const containerPath = /^spec\.(?:init|ephemeral)?[cC]ontainers\{(.+)\}$/;

/**
 * Reads events, one at a time as they are asked for. Whether one is of `v1` or of `events.k8s.io/v1` is told by the member
 * that names its object, `involvedObject` or `regarding`: exporters leave out `apiVersion` (contract, section 2).
 */
export function* toSignals(events: Iterable<unknown>, rules: EventRules, receivedAt: number): Generator<SignalReading> {
  for (const event of events) yield toSignal(event, rules, receivedAt);
}

function toSignal(event: unknown, rules: EventRules, receivedAt: number): SignalReading {
  if (!isObject(event)) return invalid(['event must be an object']);
  const reason = textOf(event.reason)?.trim() ?? '';
  const type = textOf(event.type)?.toLowerCase();
  if (type === 'normal') return new IgnoredSignal(source, reason, 'normal_event');

  const member = namesObject(event.involvedObject) || !isObject(event.regarding) ? 'involvedObject' : 'regarding';
  const object = isObject(event[member]) ? event[member] : {};
  const [kind, name, apiVersion] = [textOf(object.kind), textOf(object.name), textOf(object.apiVersion)];
  if (apiVersion !== undefined && ownGroup.test(apiVersion)) return new IgnoredSignal(source, reason, 'own_event');
  const problems = [
    ...(reason === '' ? ['reason is required'] : []),
    ...(type === undefined ? ['type is required'] : []),
    ...(type === undefined || type === 'warning' || type === 'error' ? [] : ['type must be Normal, Warning or Error']),
    ...(kind === undefined ? [`${member}.kind is required`] : []),
    ...(name === undefined ? [`${member}.name is required`] : []),
  ];
  if (problems.length > 0 || kind === undefined || name === undefined) return invalid(problems);

  const resource: TargetResource = { kind, name, ...present({ apiVersion }) };
  const namespace = namespaceOf(object, resource, event, rules.defaultNamespace);
  const target: Target = { resource, namespace, specific: true };
  const labels = labelsOf(event, object, target);
  const times = timesOf(event);
  return {
    source,
    name: reason,
    status: 'firing',
    severity: rules.severities.get(reason) ?? 'warning',
    namespace,
    resource: target.resource,
    labels,
    annotations: annotationsOf(event),
    startsAt: Math.min(...times, receivedAt),
    // A node's clock may be ahead of ours.
    occurredAt: times.length === 0 ? receivedAt : Math.min(Math.max(...times), receivedAt),
    receivedAt,
    links: {},
    fingerprint: fingerprint(reason, target, labels, rules),
    payload: event,
  };
}

/** An exporter may write both members, and leave the other one empty. */
function namesObject(object: unknown): boolean {
  return isObject(object) && (textOf(object.kind) !== undefined || textOf(object.name) !== undefined);
}

/** Kubernetes names the namespace of every namespaced object; exporters that shorten events may not. */
function namespaceOf(
  object: Record<string, unknown>,
  { kind, name, apiVersion }: TargetResource,
  event: Record<string, unknown>,
  defaultNamespace: string,
): string {
  if (kind.toLowerCase() === 'namespace') return name;
  if (isClusterWide(kind) && (apiVersion === undefined || ownOfKubernetes.test(apiVersion))) return '';
  const own = textOf(object.namespace);
  if (own !== undefined || !namespacedKinds.has(kind)) return own ?? '';
  return (isObject(event.metadata) ? textOf(event.metadata.namespace) : undefined) ?? defaultNamespace;
}

/** Those of the object, where an exporter adds them, and what an alert about it would be labelled with. */
function labelsOf(
  event: Record<string, unknown>,
  object: Record<string, unknown>,
  { resource: { kind, name }, namespace }: Target,
): Labels {
  const reporter = [event.source, event.deprecatedSource].find(isObject);
  const own = present({
    reason: textOf(event.reason),
    type: textOf(event.type),
    namespace: textOf(namespace),
    kind,
    [labelOfKind(kind) ?? 'name']: name,
    container: containerPath.exec(textOf(object.fieldPath) ?? '')?.[1],
    component: textOf(reporter?.component) ?? textOf(event.reportingComponent) ?? textOf(event.reportingController),
  });
  return { ...textsOf('labels', object.labels), ...(own as Labels) };
}

function annotationsOf(event: Record<string, unknown>): Labels {
  const series = isObject(event.series) ? event.series : {};
  const count = [series.count, event.count, event.deprecatedCount].find((value) => typeof value === 'number');
  return textsOf('annotations', {
    message: textOf(event.message) ?? textOf(event.note) ?? null,
    count: count ?? null,
  });
}

/** Every time that the event says it happened at. Which of them are set depends on who wrote it, and by which API. */
function timesOf(event: Record<string, unknown>): number[] {
  const { series, metadata } = event;
  const said = [
    isObject(series) ? series.lastObservedTime : undefined,
    event.lastTimestamp,
    event.deprecatedLastTimestamp,
    event.firstTimestamp,
    event.deprecatedFirstTimestamp,
    event.eventTime,
  ].flatMap((time) => parseTimestamp(time) ?? []);
  if (said.length > 0) return said;
  const written = parseTimestamp(isObject(metadata) ? metadata.creationTimestamp : undefined);
  return written === undefined ? [] : [written];
}

function invalid(problems: string[]): InvalidSignal {
  const [first = 'invalid event', ...rest] = problems;
  const missing = /^(\S+) is required$/.exec(first)?.[1];
  return new InvalidSignal(
    source,
    [first, ...rest],
    missing === undefined ? first : `missing required field '${missing}'`,
  );
}
