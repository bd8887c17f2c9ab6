import { parseTimestamp } from '../signal/timestamp';
import type { Occurrences } from '../state/signal-state';
import { isTerminal, type RemediationRequest, type RemediationRequestSpec } from './remediation-request';

/** What the gateway remembers of a request: its identity, whether it is over, and since when. */
export interface KnownRequest {
  readonly namespace: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly generation: number;
  /** Milliseconds since the epoch when it became terminal; `undefined` while it is live. */
  readonly overSince?: number;
  readonly createdAt: number;
  readonly occurrences?: Occurrences;
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

function timeOf(value: unknown): number | undefined {
  return value instanceof Date ? value.getTime() : parseTimestamp(value);
}
