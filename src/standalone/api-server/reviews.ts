import { badRequest } from './api-status';
import { isRecord } from './structural-schema';

export interface KnownToken {
  readonly token: string;
  readonly username: string;
  readonly groups?: readonly string[];
}

/**
 * Answers TokenReviews and access reviews. `undefined` for a path that is none of theirs.
 * A token is good for every audience that is asked for; whoever is known may do everything.
 * @throws ApiStatus 400
 */
export function review(path: string, body: unknown, tokens: readonly KnownToken[]): object | undefined {
  switch (path) {
    case '/apis/authentication.k8s.io/v1/tokenreviews':
      return answered(body, 'TokenReview', (spec) => tokenStatus(spec, tokens));
    case '/apis/authorization.k8s.io/v1/subjectaccessreviews':
      return answered(body, 'SubjectAccessReview', () => ({ allowed: true }));
    case '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews':
      return answered(body, 'SelfSubjectAccessReview', () => ({ allowed: true }));
    default:
      return undefined;
  }
}

function answered(body: unknown, kind: string, status: (spec: Record<string, unknown>) => object): object {
  if (!isRecord(body) || body.kind !== kind || !isRecord(body.spec))
    throw badRequest(`the body is not a ${kind} with a spec`);
  return { ...body, metadata: {}, status: status(body.spec) };
}

function tokenStatus({ token, audiences }: Record<string, unknown>, tokens: readonly KnownToken[]): object {
  const known = tokens.find((candidate) => candidate.token === token);
  if (known === undefined) return { user: {}, error: '[invalid bearer token, token lookup failed]' };
  const { username, groups = [] } = known;
  return {
    authenticated: true,
    user: { username, uid: username, groups: [...groups, 'system:authenticated'] },
    audiences: Array.isArray(audiences) && audiences.length > 0 ? audiences : ['https://kubernetes.default.svc'],
  };
}
