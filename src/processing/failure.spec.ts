import { aSignal } from '../../test/support/a-signal';
import { DeadlineExceededError } from '../deadline';
import { KubernetesApiError, type KubernetesFailure } from '../kubernetes/kubernetes-api.error';
import { StateUnavailableError } from '../state/signal-state';
import { toUnprocessed } from './failure';
import { FallbackNamespaceError, NamespaceOverLimitError } from './request-opener';

const signal = aSignal({ namespace: 'prod' });
const secret = 'dial tcp 10.0.0.1:6443: password=hunter2';

describe('toUnprocessed', () => {
  it.each<[KubernetesFailure, string]>([
    ['unavailable', 'kubernetes_unavailable'],
    ['overloaded', 'kubernetes_overloaded'],
    ['unauthenticated', 'kubernetes_unauthenticated'],
    ['forbidden', 'kubernetes_forbidden'],
    ['conflict', 'kubernetes_conflict'],
    ['quota-exceeded', 'quota_exceeded'],
    ['crd-unusable', 'crd_unusable'],
    // The stages deal with these themselves; one that gets here came in between two of their calls.
    ['namespace-unusable', 'kubernetes_conflict'],
    ['not-found', 'kubernetes_conflict'],
    ['already-exists', 'kubernetes_conflict'],
    ['expired', 'kubernetes_conflict'],
  ])('lets the sender try again after %s', (failure, reason) => {
    expect(toUnprocessed(signal, new KubernetesApiError(failure, secret))).toEqual({
      status: 'failed',
      fingerprint: signal.fingerprint,
      reason,
      cause: secret,
    });
  });

  it.each<[KubernetesFailure, string]>([
    ['denied', 'denied'],
    ['invalid', 'invalid_object'],
  ])('refuses for good what is %s, with the words of the cluster for our log alone', (failure, reason) => {
    const { cause, ...shown } = toUnprocessed(signal, new KubernetesApiError(failure, secret));
    expect(shown).toMatchObject({ status: 'rejected', reason });
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(cause).toBe(secret);
  });

  it.each([
    [new DeadlineExceededError(), 'deadline_exceeded'],
    [new StateUnavailableError('connection lost'), 'state_unavailable'],
    [new NamespaceOverLimitError('prod'), 'namespace_over_limit'],
    [new FallbackNamespaceError('kubernaut-system', false), 'fallback_namespace_missing'],
    [new TypeError('x is not a function'), 'internal_error'],
    ['a text that somebody threw', 'internal_error'],
    [undefined, 'internal_error'],
  ])('lets the sender try again after %s', (error, reason) => {
    expect(toUnprocessed(signal, error)).toMatchObject({ status: 'failed', reason, cause: expect.any(String) });
  });

  it('keeps the stack of a bug for our log', () => {
    expect(toUnprocessed(signal, new TypeError('x'))).toMatchObject({ cause: expect.stringContaining('failure.spec') });
  });

  it('refuses for good what belongs to a namespace that is being deleted and is the fallback itself', () => {
    expect(toUnprocessed(signal, new FallbackNamespaceError('prod', true))).toMatchObject({
      status: 'rejected',
      reason: 'namespace_terminating',
      summary: expect.stringContaining("'prod'"),
    });
  });
});
