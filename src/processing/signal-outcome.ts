import type { Classification } from '../kubernetes/remediation-request.factory';
import type { Occurrences } from '../state/signal-state';
import type { RequestRef } from '../request-ref';
import type { StormType } from '../state/storm-windows';

/** Why a firing signal is a duplicate. */
export type DuplicateReason =
  /** The shared memory points to a request that is live, or cooling down. */
  | 'known'
  /** The memory did not know, the cluster has a live request. */
  | 'live_request'
  /** The request is over, but not for longer than the cooldown. */
  | 'cooling_down'
  /** An event that is told late: it happened before its request was over. */
  | 'happened_before'
  /** Another replica created it at this very moment: the API server arbitrated. */
  | 'already_exists'
  /** The same incident stands more than once in this webhook. */
  | 'same_webhook';

/** Why a signal is refused for good. */
export type RejectionReason = 'invalid' | 'forbidden' | 'invalid_object' | 'denied' | 'namespace_terminating';

/** Why a signal could not be taken now. A retry can heal each of these. */
export type FailureReason =
  | 'kubernetes_unavailable'
  | 'kubernetes_overloaded'
  | 'kubernetes_unauthenticated'
  | 'kubernetes_forbidden'
  | 'kubernetes_conflict'
  | 'quota_exceeded'
  | 'crd_unusable'
  | 'admission_webhook_unavailable'
  | 'fallback_namespace_missing'
  | 'namespace_over_limit'
  | 'state_unavailable'
  | 'authorization_unavailable'
  | 'deadline_exceeded'
  | 'internal_error';

/** What a sender is told of a storm. */
export interface StormMetadata {
  readonly type: StormType;
  /** What its signals have in common. */
  readonly pattern: string;
  readonly alertCount: number;
  /** Some of them. */
  readonly affectedResources: readonly string[];
  readonly totalAffectedResources: number;
  /** It takes new signals until there was none for so long, e.g. `1m`. */
  readonly aggregationWindow: string;
}

export interface Created extends Classification, Occurrences {
  readonly status: 'created';
  /** Of the signal for which the request of a storm was created. */
  readonly storm?: StormMetadata;
  readonly fingerprint: string;
  readonly request: RequestRef;
  readonly reason: 'new' | 'next_generation';
}

export interface Duplicate extends Occurrences {
  readonly status: 'duplicate';
  readonly fingerprint: string;
  readonly request: RequestRef;
  readonly reason: DuplicateReason;
}

/** A new signal that a storm carries. */
export interface StormAggregated {
  readonly status: 'storm_aggregated';
  readonly fingerprint: string;
  /** That of the storm. */
  readonly request: RequestRef;
  readonly storm: StormMetadata;
  readonly reason: 'storm_member';
}

export interface Resolved {
  readonly status: 'resolved';
  readonly fingerprint: string;
  /** The request that the incident has, if one is known. */
  readonly request?: RequestRef;
  readonly reason: 'resolved' | 'still_firing' | 'no_request';
}

/** A signal that only says that its sender is alive. */
export interface Heartbeat {
  readonly status: 'heartbeat';
  readonly fingerprint: string;
  readonly reason: 'heartbeat';
}

/** A signal that needs nothing, such as a normal event. */
export interface Ignored {
  readonly status: 'ignored';
  readonly reason: 'normal_event' | 'own_event';
}

export interface Rejected {
  readonly status: 'rejected';
  readonly fingerprint?: string;
  readonly reason: RejectionReason;
  /** Safe to show the sender. */
  readonly summary: string;
  readonly details: readonly string[];
  /** For our log, where the cluster said more than the sender is shown. */
  readonly cause?: string;
}

export interface Failed {
  readonly status: 'failed';
  readonly fingerprint: string;
  readonly reason: FailureReason;
  /** For our log; it never leaves in a body. */
  readonly cause: string;
}

/** What became of one signal. Exactly one of these, whatever happened. */
export type SignalOutcome = Created | Duplicate | StormAggregated | Resolved | Heartbeat | Ignored | Rejected | Failed;
