import { AuthorizationUnavailableError } from '../auth/authorizer';
import { DeadlineExceededError } from '../deadline';
import { messageOf } from '../error-message';
import {
  isFailure,
  isPermanent,
  KubernetesApiError,
  type KubernetesFailure,
  type PermanentFailure,
} from '../kubernetes/kubernetes-api.error';
import type { Signal } from '../signal/signal';
import { StateUnavailableError } from '../state/signal-state';
import { FallbackNamespaceError, NamespaceOverLimitError } from './request-opener';
import { StormOverError } from './storm/storm-commits';
import type { Failed, FailureReason, Rejected, RejectionReason } from './signal-outcome';

/** What a retry would repeat. */
const refusals: Record<PermanentFailure, readonly [RejectionReason, summary: string]> = {
  denied: ['denied', 'An admission policy of the cluster refuses the RemediationRequest'],
  invalid: ['invalid_object', 'The cluster refuses the RemediationRequest as invalid'],
};

/** What time or an operator can heal. */
const failures: Record<Exclude<KubernetesFailure, PermanentFailure>, FailureReason> = {
  unavailable: 'kubernetes_unavailable',
  overloaded: 'kubernetes_overloaded',
  unauthenticated: 'kubernetes_unauthenticated',
  forbidden: 'kubernetes_forbidden',
  conflict: 'kubernetes_conflict',
  'quota-exceeded': 'quota_exceeded',
  'crd-unusable': 'crd_unusable',
  'webhook-unavailable': 'admission_webhook_unavailable',
  // The stages deal with these themselves; one that gets here came in between two of their calls.
  'namespace-unusable': 'kubernetes_conflict',
  'not-found': 'kubernetes_conflict',
  'already-exists': 'kubernetes_conflict',
  expired: 'kubernetes_conflict',
};

/** What an error in a stage means for its signal: failed if time or an operator can heal it, else rejected. */
export function toUnprocessed(signal: Signal, error: unknown): Failed | Rejected {
  const cause = messageOf(error);
  if (error instanceof DeadlineExceededError) return failed(signal, 'deadline_exceeded', cause);
  if (error instanceof AuthorizationUnavailableError) return failed(signal, 'authorization_unavailable', cause);
  if (error instanceof StateUnavailableError) return failed(signal, 'state_unavailable', cause);
  if (error instanceof NamespaceOverLimitError) return failed(signal, 'namespace_over_limit', cause);
  if (error instanceof StormOverError) return failed(signal, 'kubernetes_conflict', cause);
  if (error instanceof FallbackNamespaceError) {
    return error.ofSignal
      ? rejected(
          signal,
          'namespace_terminating',
          `Namespace '${signal.namespace}' is being deleted and there is no other to fall back to`,
        )
      : failed(signal, 'fallback_namespace_missing', cause);
  }
  if (error instanceof KubernetesApiError) {
    const { failure } = error;
    return isPermanent(failure)
      ? { ...rejected(signal, ...refusals[failure]), cause }
      : failed(signal, failures[failure], cause);
  }
  return failed(signal, 'internal_error', error instanceof Error ? (error.stack ?? cause) : cause);
}

/** Whether what was asked of the API server may have been done, or be done yet, for all that this error tells. */
export function mayTakeEffect(error: unknown): boolean {
  return error instanceof DeadlineExceededError || isFailure(error, 'unavailable');
}

function failed({ fingerprint }: Signal, reason: FailureReason, cause: string): Failed {
  return { status: 'failed', fingerprint, reason, cause };
}

function rejected({ fingerprint }: Signal, reason: RejectionReason, summary: string): Rejected {
  return { status: 'rejected', fingerprint, reason, summary, details: [summary] };
}
