import { isSeverity, type Severity } from '../signal/severity';
import { parseTimestamp } from '../signal/timestamp';
import type { Occurrences } from '../state/signal-state';
import {
  isTerminal,
  maxFiringAlerts,
  type FiringAlert,
  type RemediationRequest,
  type RemediationRequestSpec,
} from './remediation-request';

/** What the gateway remembers of a request: its identity, whether it is over and since when, and how its signal stands. */
export interface KnownRequest {
  readonly namespace: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly generation: number;
  /** Milliseconds since the epoch when it became terminal; `undefined` while it is live. */
  readonly overSince?: number;
  readonly createdAt: number;
  /** Of the object as it was read; a patch is made for it. */
  readonly resourceVersion: string;
  readonly occurrences?: Occurrences;
  /** The highest that was seen. */
  readonly severity: Severity;
  /** Whether its signal has resolved, and not fired since. */
  readonly resolved: boolean;
  /** The sender's alerts that still fire, by their own fingerprint, with the time they began, 0 where that is not known. */
  readonly firingAlerts: ReadonlyMap<string, number>;
  /** When it fired again although the request was over. */
  readonly recurredAt?: number;
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
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    fingerprint: spec?.fingerprint ?? '',
    generation: spec?.generation ?? 1,
    createdAt,
    resourceVersion: metadata.resourceVersion ?? '',
    severity: severityOf(status?.signal?.severity) ?? severityOf(spec?.severity) ?? 'warning',
    resolved: status?.signal?.state === 'Resolved',
    firingAlerts: firingAlertsOf(status?.signal?.firingAlerts ?? spec?.firingAlerts),
    ...optional('recurredAt', timeOf(status?.signal?.recurredAt)),
    ...(isTerminal(request) ? { overSince: Math.min(completedAt(request) ?? before?.overSince ?? now, now) } : {}),
    ...(seen?.occurrenceCount === undefined
      ? {}
      : {
          occurrences: {
            count: seen.occurrenceCount,
            firstSeen: timeOf(seen.firstSeen) ?? createdAt,
            lastSeen: timeOf(seen.lastSeen) ?? createdAt,
          },
        }),
  };
}

function completedAt({ status }: FoundRequest): number | undefined {
  const terminal = status?.conditions?.find(
    ({ type, status: state }) => type === status.overallPhase && state === 'True',
  );
  return timeOf(status?.completionTime) ?? timeOf(terminal?.lastTransitionTime);
}

function severityOf(text: string | undefined): Severity | undefined {
  return text !== undefined && isSeverity(text) ? text : undefined;
}

/** Anybody who may write a status may have written this one. */
function firingAlertsOf(alerts: readonly FiringAlert[] | undefined): ReadonlyMap<string, number> {
  if (!Array.isArray(alerts)) return none;
  return new Map(
    (alerts as readonly Partial<FiringAlert>[])
      .slice(0, maxFiringAlerts)
      .map(({ fingerprint, startsAt }) => [String(fingerprint), timeOf(startsAt) ?? 0]),
  );
}

/** Most requests of a large cluster are over and have none: they share it. */
const none: ReadonlyMap<string, number> = new Map();

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function timeOf(value: unknown): number | undefined {
  return value instanceof Date ? value.getTime() : parseTimestamp(value);
}
