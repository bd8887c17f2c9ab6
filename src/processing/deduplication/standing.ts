import type { KnownRequest } from '../../kubernetes/known-request';

/** How an incident stands, by the requests that it has in the cluster. */
export type Standing =
  /** A live request carries it, or one that is over and cooling down. */
  | { readonly kind: 'carried'; readonly request: KnownRequest; readonly reason: 'live_request' | 'cooling_down' }
  /** It has none that still counts: a firing signal opens this generation. */
  | { readonly kind: 'open'; readonly generation: number; readonly over?: KnownRequest };

/**
 * Reads the table of contract, section 5. A new generation is the highest known plus one, so that a clean-up of older
 * requests changes nothing; a live request of any generation carries the incident.
 */
export function standingOf(requests: readonly KnownRequest[], now: number, cooldownMs: number): Standing {
  const newestFirst = [...requests].sort((a, b) => b.generation - a.generation);
  const live = newestFirst.find(({ overSince }) => overSince === undefined);
  if (live !== undefined) return { kind: 'carried', request: live, reason: 'live_request' };

  const cooling = newestFirst.find(({ overSince }) => overSince !== undefined && now - overSince < cooldownMs);
  if (cooling !== undefined) return { kind: 'carried', request: cooling, reason: 'cooling_down' };

  const [latest] = newestFirst;
  return latest === undefined
    ? { kind: 'open', generation: 1 }
    : { kind: 'open', generation: latest.generation + 1, over: latest };
}
