import { DeadlineExceededError } from '../deadline';
import { KubernetesApiError, type KubernetesFailure } from '../kubernetes/kubernetes-api.error';
import type { Signal } from '../signal/signal';
import { StateUnavailableError } from '../state/signal-state';
import { FallbackNamespaceError } from './request-opener';
import type { Failed, FailureReason, Rejected, RejectionReason } from './signal-outcome';

const failures: Partial<Record<KubernetesFailure, FailureReason>> = {
  unavailable: 'kubernetes_unavailable',
  overloaded: 'kubernetes_overloaded',
  unauthenticated: 'kubernetes_unauthenticated',
  forbidden: 'kubernetes_forbidden',
  conflict: 'kubernetes_conflict',
  'quota-exceeded': 'quota_exceeded',
  'crd-unusable': 'crd_unusable',
};

/** What an error in a stage means for its signal: failed if time or an operator can heal it, else rejected. */
export function toUnprocessed(signal: Signal, error: unknown): Failed | Rejected {
  const cause = error instanceof Error ? error.message : String(error);
  if (error instanceof DeadlineExceededError) return failed(signal, 'deadline_exceeded', cause);
  if (error instanceof StateUnavailableError) return failed(signal, 'state_unavailable', cause);
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
    const reason = failures[error.failure];
    if (reason !== undefined) return failed(signal, reason, cause);
    return error.failure === 'denied'
      ? rejected(signal, 'denied', 'An admission policy of the cluster refuses the RemediationRequest')
      : rejected(signal, 'invalid_object', 'The cluster refuses the RemediationRequest as invalid');
  }
  return failed(signal, 'internal_error', error instanceof Error ? (error.stack ?? cause) : cause);
}

function failed({ fingerprint }: Signal, reason: FailureReason, cause: string): Failed {
  return { status: 'failed', fingerprint, reason, cause };
}

function rejected({ fingerprint }: Signal, reason: RejectionReason, summary: string): Rejected {
  return { status: 'rejected', fingerprint, reason, summary, details: [summary] };
}
