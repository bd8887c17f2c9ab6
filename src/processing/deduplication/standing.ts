import type { KnownRequest } from '../../kubernetes/known-request';

/** How an incident stands, by the requests that it has in the cluster. */
export type Standing =
  /** A live request carries it, or one that is over and cooling down, or that was not over yet when it happened. */
  | {
      readonly kind: 'carried';
      readonly request: KnownRequest;
      readonly reason: 'live_request' | 'cooling_down' | 'happened_before';
    }
  /** It has none that still counts: a firing signal opens this generation. */
  | { readonly kind: 'open'; readonly generation: number; readonly over?: KnownRequest };

/** Of an incident that has no request at all. */
const neverSeen: Standing = { kind: 'open', generation: 1 };

/**
 * Reads the table of contract, section 5. A new generation is the highest known plus one, so that a clean-up of older
 * requests changes nothing; a live request of any generation carries the incident.
 * @param occurredAt when it happened, of a signal that tells of an occurrence
 */
export function standingOf(
  requests: readonly KnownRequest[],
  now: number,
  cooldownMs: number,
  occurredAt = Number.POSITIVE_INFINITY,
): Standing {
  const newestFirst = [...requests].sort((a, b) => b.generation - a.generation);
  const [latest] = newestFirst;
  if (latest === undefined) return neverSeen;

  const live = newestFirst.find(({ overSince }) => overSince === undefined);
  if (live !== undefined) return { kind: 'carried', request: live, reason: 'live_request' };

  const cooling = newestFirst.find(({ overSince }) => overSince !== undefined && now - overSince < cooldownMs);
  if (cooling !== undefined) return { kind: 'carried', request: cooling, reason: 'cooling_down' };

  // Told late: what was done since then was done about it.
  const later = newestFirst.find(({ overSince }) => overSince !== undefined && occurredAt <= overSince);
  if (later !== undefined) return { kind: 'carried', request: later, reason: 'happened_before' };

  return { kind: 'open', generation: latest.generation + 1, over: latest };
}
