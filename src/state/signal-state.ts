import type { RequestRef } from '../request-ref';

export interface ClaimRequest {
  readonly fingerprint: string;
  /**
   * The object that this fingerprint was last known to point to is over (terminal and cooled down, or deleted):
   * an entry that still points to exactly this object counts as free, any other entry as it is.
   */
  readonly over?: RequestRef;
}

/** How often and when a fingerprint was seen. Times in milliseconds since the epoch, by the state's own clock. */
export interface Occurrences {
  readonly count: number;
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** What is remembered of a fingerprint once its object exists. */
export type Entry = { readonly request: RequestRef } & Occurrences;

/**
 * The answer to a claim.
 * - `new`: the caller holds the fingerprint until its lease ends and must `confirm` or `release` it with this token.
 * - `duplicate`: a confirmed entry exists; this sighting has been counted and the entry's life extended.
 * - `pending`: somebody else holds the fingerprint, for `leaseMs` more milliseconds at the longest; nothing was counted.
 */
export type Claim =
  | { readonly outcome: 'new'; readonly fingerprint: string; readonly token: string }
  | ({ readonly outcome: 'duplicate'; readonly fingerprint: string } & Entry)
  | { readonly outcome: 'pending'; readonly fingerprint: string; readonly leaseMs: number };

export interface Confirmation {
  readonly fingerprint: string;
  readonly token: string;
  readonly request: RequestRef;
  /** What is already known of an object that was found rather than created; this sighting is added to it. */
  readonly known?: Pick<Occurrences, 'count' | 'firstSeen'> | undefined;
  /** How long the entry lives after each sighting, when longer than others. Milliseconds. */
  readonly lifeMs?: number | undefined;
}

export interface Release {
  readonly fingerprint: string;
  readonly token: string;
  /** Whether its object may come into being yet: nobody knows what became of its create. */
  readonly mayAppear?: boolean | undefined;
}

/** How long a create may take effect after nobody waits for its answer any more: what an API server gives a request by default. Milliseconds. */
export const mayAppearMs = 60_000;

/** What there is of a fingerprint: an entry, a claim that is held, or one that was given back and whose object may appear; else nothing. */
export type Found = Entry | 'pending' | 'uncertain' | undefined;

/**
 * The shared memory of replicas: which fingerprint points to which RemediationRequest, and who is creating one now.
 *
 * It is an accelerator, never the truth: the API server arbitrates by name (contract, section 5), so an entry that is
 * lost or a lease that lapses costs a call, never a second object. Every operation takes a whole webhook's batch, answers
 * index-aligned, is atomic per fingerprint, and costs one round trip. Fingerprints in one batch are distinct.
 *
 * Every operation rejects with `StateUnavailableError` when the memory cannot be reached in time; it never hangs.
 */
export interface SignalState {
  claim(requests: readonly ClaimRequest[]): Promise<Claim[]>;

  /**
   * Commits an entry after its object exists. Answers the occurrences that now stand. A claim whose lease lapsed is
   * still confirmed while nobody else took the fingerprint; if somebody did, their claim or entry stays as it is and
   * the answer is `undefined`. Confirming again with the same token counts nothing.
   */
  confirm(confirmations: readonly Confirmation[]): Promise<(Occurrences | undefined)[]>;

  /**
   * Gives claims back after a failure, so that the next sender need not wait for the lease. Touches neither another's
   * claim nor what is confirmed. Whose object may appear is free to be claimed, and found as `uncertain` for `mayAppearMs`.
   */
  release(releases: readonly Release[]): Promise<void>;

  /** Entries for these fingerprints without counting a sighting. */
  find(fingerprints: readonly string[]): Promise<Found[]>;
}

/** The shared memory cannot be reached. A retry can heal it. */
export class StateUnavailableError extends Error {
  override readonly name = 'StateUnavailableError';
}
