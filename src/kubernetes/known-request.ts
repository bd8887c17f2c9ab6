import type { V1Condition } from '@kubernetes/client-node';
import { isSeverity, type Severity } from '../signal/severity';
import { parseTimestamp } from '../signal/timestamp';
import type { Occurrences } from '../state/signal-state';
import type { StormType } from '../state/storm-windows';
import {
  isTerminal,
  firstMemberAnnotation,
  maxAffectedResources,
  maxFiringAlerts,
  type AffectedResource,
  type FiringAlert,
  type RemediationRequest,
  type RemediationRequestSpec,
  type StormSpec,
  type StormStatus,
} from './remediation-request';

/** What the gateway remembers of a request: its identity, whether it is over and since when, and how its signal stands. */
export interface KnownRequest {
  readonly namespace: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly generation: number;
  /** Milliseconds since the epoch when it became terminal; `undefined` while it is live. */
  readonly overSince?: number | undefined;
  readonly createdAt: number;
  /** Of the object as it was read; a patch is made for it. */
  readonly resourceVersion: string;
  readonly occurrences?: Occurrences | undefined;
  /** The highest that was seen. */
  readonly severity: Severity;
  /** Milliseconds since the epoch when its signal resolved; `undefined` while it fires. */
  readonly resolvedSince?: number | undefined;
  /** The sender's alerts that still fire, each once. */
  readonly firingAlerts: readonly KnownAlert[];
  /** When it fired again although the request was over. */
  readonly recurredAt?: number | undefined;
  /** Of the request of a storm. */
  readonly storm?: KnownStorm | undefined;
}

/** An alert of the sender. */
export interface KnownAlert {
  /** Its own fingerprint. */
  readonly alert: string;
  /** Milliseconds since the epoch when it began to fire, 0 where that is not known. */
  readonly since: number;
}

/** How a storm stands. */
export interface KnownStorm {
  readonly type: StormType;
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  readonly version: number;
  readonly writesApart: number;
  readonly precededBy: readonly string[];
  /** Of the object: another one of the same name has another. */
  readonly uid: string;
  readonly affectedResources: readonly AffectedResource[];
  /** Milliseconds since the epoch. */
  readonly windowStartedAt: number;
  readonly lastMemberAt: number;
  readonly approximate: boolean;
  readonly maybeTwice: number;
  readonly writer?: string | undefined;
}

/** A request that somebody else may have written, by whatever CRD is installed. */
type FoundRequest = Omit<RemediationRequest, 'spec'> & { readonly spec?: Partial<RemediationRequestSpec> };

/**
 * @param now stands in for the time it became terminal if the request does not say
 * @param before what was known of it: a time that we noted ourselves stays
 */
export function toKnownRequest(request: FoundRequest, now: number, before?: KnownRequest): KnownRequest {
  const { metadata, spec, status } = request;
  const seen = status?.deduplication;
  const createdAt = timeOf(metadata.creationTimestamp) ?? now;
  // All of one shape, with members that are undefined: what is added to an object later lies apart from it, a third as large again.
  return {
    namespace: asKept(metadata.namespace, before?.namespace),
    name: asKept(metadata.name, before?.name),
    fingerprint: asKept(spec?.fingerprint, before?.fingerprint),
    generation: spec?.generation ?? 1,
    createdAt,
    resourceVersion: metadata.resourceVersion ?? '',
    severity: severityOf(status?.signal?.severity) ?? severityOf(spec?.severity) ?? 'warning',
    resolvedSince:
      status?.signal?.state === 'Resolved' ? Math.min(timeOf(status.signal.resolvedAt) ?? createdAt, now) : undefined,
    firingAlerts: firingAlertsOf(status?.signal?.firingAlerts ?? spec?.firingAlerts),
    storm: spec?.storm?.isStorm
      ? stormOf(spec.storm, status?.storm, createdAt, metadata.uid ?? String(createdAt), firstMemberOf(request))
      : undefined,
    recurredAt: timeOf(status?.signal?.recurredAt),
    overSince: isTerminal(request) ? Math.min(completedAt(request) ?? before?.overSince ?? now, now) : undefined,
    occurrences:
      seen?.occurrenceCount === undefined
        ? undefined
        : {
            count: seen.occurrenceCount,
            firstSeen: timeOf(seen.firstSeen) ?? createdAt,
            lastSeen: timeOf(seen.lastSeen) ?? createdAt,
          },
  };
}

/** The text that is held already, by which the indices find the request, where it is the same: each copy would stay beside it. */
function asKept(text = '', before: string | undefined): string {
  return text === before ? before : text;
}

/** Anybody who may write a status may have written this one. */
function completedAt({ status }: FoundRequest): number | undefined {
  const conditions: unknown = status?.conditions;
  const terminal = (Array.isArray(conditions) ? (conditions as (Partial<V1Condition> | null)[]) : []).find(
    (one) => one?.type === status?.overallPhase && one?.status === 'True',
  );
  return timeOf(status?.completionTime) ?? timeOf(terminal?.lastTransitionTime);
}

function severityOf(text: string | undefined): Severity | undefined {
  return text !== undefined && isSeverity(text) ? text : undefined;
}

/** Anybody who may write a status may have written this one. */
function firingAlertsOf(alerts: readonly FiringAlert[] | undefined): readonly KnownAlert[] {
  if (!Array.isArray(alerts) || alerts.length === 0) return none;
  const known = (alerts as readonly (Partial<FiringAlert> | null)[]).slice(0, maxFiringAlerts).map(knownAlertOf);
  // The last word on each counts.
  return known.length === 1 ? known : [...new Map(known.map((one) => [one.alert, one])).values()];
}

function knownAlertOf(alert: Partial<FiringAlert> | null): KnownAlert {
  return { alert: String(alert?.fingerprint), since: timeOf(alert?.startsAt) ?? 0 };
}

/** Anybody who may write a status may have written this one. */
function stormOf(
  spec: Partial<StormSpec>,
  status: StormStatus | undefined,
  createdAt: number,
  uid: string,
  firstMember: AffectedResource | undefined,
): KnownStorm {
  const listed: unknown = status?.affectedResources ?? (firstMember && [firstMember]);
  return {
    type: (status?.type ?? spec.type) === 'pattern' ? 'pattern' : 'rate',
    alertCount: countOf(status?.alertCount),
    resolvedCount: countOf(status?.resolvedCount),
    totalAffectedResources: countOf(status?.totalAffectedResources),
    version: countOf(status?.version),
    writesApart: countOf(status?.writesApart),
    precededBy: textsOf(status?.precededBy),
    uid,
    affectedResources: Array.isArray(listed)
      ? (listed as AffectedResource[]).slice(0, maxAffectedResources).filter(isAffectedResource)
      : [],
    windowStartedAt: timeOf(status?.windowStartedAt) ?? createdAt,
    lastMemberAt: timeOf(status?.lastMemberAt) ?? createdAt,
    approximate: status?.countApproximate === true,
    maybeTwice: countOf(status?.maybeCountedTwice),
    writer: typeof status?.writer === 'string' ? status.writer : undefined,
  };
}

/** Until a status names more. */
function firstMemberOf({ metadata, spec }: FoundRequest): AffectedResource | undefined {
  const fingerprint = metadata.annotations?.[firstMemberAnnotation];
  if (fingerprint === undefined || spec?.resource === undefined) return undefined;
  const { kind, name, namespace } = spec.resource;
  return { kind, name, ...(namespace === undefined ? {} : { namespace }), fingerprint, state: 'Firing' };
}

function isAffectedResource(resource: Partial<AffectedResource> | null | undefined): boolean {
  return [resource?.kind, resource?.name, resource?.fingerprint].every((text) => typeof text === 'string');
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string').slice(0, maxAffectedResources) : [];
}

function countOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.floor(value) : 0;
}

/** Most requests of a large cluster are over and have none: they share it. */
const none: readonly KnownAlert[] = [];

function timeOf(value: unknown): number | undefined {
  return value instanceof Date ? value.getTime() : parseTimestamp(value);
}
