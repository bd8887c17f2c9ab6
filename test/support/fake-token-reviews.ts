import type { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { KubernetesApiError, type KubernetesFailure } from '../../src/kubernetes/kubernetes-api.error';
import { TokenReviewClient, type TokenReview } from '../../src/kubernetes/token-review.client';

/** An API server that knows some tokens, and can be slow or fail. */
export class FakeTokenReviewClient extends TokenReviewClient {
  readonly answers = new Map<string, TokenReview>();
  /** The tokens that were asked about, in order. */
  readonly asked: string[] = [];
  /** The audiences of the last question. */
  audiences: readonly string[] = [];
  inFlight = 0;
  peak = 0;
  private failures: KubernetesFailure[] = [];
  private gate: Promise<void> = Promise.resolve();

  constructor() {
    super({} as KubernetesApi);
  }

  /** This token is good, for these audiences. */
  accept(
    token: string,
    username = 'system:serviceaccount:monitoring:alertmanager',
    audiences = ['kubernaut-gateway'],
  ): void {
    this.answers.set(token, { authenticated: true, username, audiences });
  }

  failNext(failure: KubernetesFailure, times = 1): void {
    this.failures.push(...Array.from({ length: times }, () => failure));
  }

  /** Reviews wait until the answered function is called, or their signal ends them. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return () => {
      this.gate = Promise.resolve();
      resolve();
    };
  }

  override async review(token: string, audiences: readonly string[], signal: AbortSignal): Promise<TokenReview> {
    this.asked.push(token);
    this.audiences = audiences;
    this.peak = Math.max(this.peak, ++this.inFlight);
    try {
      await Promise.race([this.gate, ended(signal)]);
      const failure = this.failures.shift();
      if (failure !== undefined) throw new KubernetesApiError(failure, `told to fail: ${failure}`);
      return this.answers.get(token) ?? { authenticated: false, audiences: [], error: 'invalid bearer token' };
    } finally {
      this.inFlight--;
    }
  }
}

function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new KubernetesApiError('unavailable', 'no answer from the API server: timeout'));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
