import { badRequest } from './api-status';
import { ownAudience, type ServiceAccountTokens } from './service-account-tokens';

export interface KnownToken {
  readonly token: string;
  readonly username: string;
  readonly groups?: readonly string[];
  /** Whom it is for; absent: anybody who asks. */
  readonly audiences?: readonly string[];
}

const everyone = 'system:authenticated';

/**
 * Whose token is it?
 * @throws ApiStatus 400 without a token
 */
export function reviewToken(
  spec: Record<string, unknown>,
  known: readonly KnownToken[],
  issued: ServiceAccountTokens,
): object {
  const { token, audiences } = spec;
  if (typeof token !== 'string' || token === '')
    throw badRequest('token is required for TokenReview in authentication');
  const wanted = Array.isArray(audiences) && audiences.length > 0 ? audiences.map(String) : [ownAudience];
  const fixed = known.find((candidate) => candidate.token === token);
  if (fixed !== undefined) return reviewKnown(fixed, wanted);
  const verified = issued.verify(token, wanted);
  if (typeof verified !== 'object') return refused(verified);
  const { username, uid, groups, credentialId } = verified;
  return {
    authenticated: true,
    user: {
      username,
      uid,
      groups: [...groups, everyone],
      extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${credentialId}`] },
    },
    audiences: verified.audiences,
  };
}

function reviewKnown({ username, groups = [], audiences }: KnownToken, wanted: readonly string[]): object {
  const matching = wanted.filter((audience) => audiences?.includes(audience) ?? true);
  if (matching.length === 0) return refused(undefined);
  return { authenticated: true, user: { username, uid: username, groups: [...groups, everyone] }, audiences: matching };
}

function refused(why: string | undefined): object {
  return { user: {}, error: why === undefined ? 'invalid bearer token' : `[invalid bearer token, ${why}]` };
}
