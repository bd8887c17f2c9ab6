import type { V1TokenReview, V1UserInfo } from '@kubernetes/client-node';
import type { Caller } from '../caller';
import type { KubernetesApi } from './kubernetes-api';

export interface TokenReview extends Partial<Caller> {
  readonly authenticated: boolean;
  /** Which of the audiences that were asked for the token is meant for; a server that knows no audiences names none. */
  readonly audiences: readonly string[];
  /** Why the API server did not accept the token, or could not tell. For our log. */
  readonly error?: string;
}

/** Asks the API server whose a token is. Failures are `KubernetesApiError`s. */
export class TokenReviewClient {
  constructor(private readonly api: KubernetesApi) {}

  async review(token: string, audiences: readonly string[], signal: AbortSignal): Promise<TokenReview> {
    const body: V1TokenReview = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [...audiences] },
    };
    const { status } = await this.api.call<V1TokenReview>('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body,
      signal,
    });
    return {
      authenticated: status?.authenticated === true,
      ...callerOf(status?.user),
      audiences: status?.audiences ?? [],
      ...(status?.error ? { error: status.error } : {}),
    };
  }
}

function callerOf(user: V1UserInfo | undefined): Partial<Caller> {
  return {
    ...(user?.username ? { username: user.username } : {}),
    ...(user?.uid ? { uid: user.uid } : {}),
    ...(user?.groups ? { groups: user.groups } : {}),
    ...(user?.extra ? { extra: user.extra } : {}),
  };
}
