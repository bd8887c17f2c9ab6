import { reviewAccess, reviewOwnAccess } from './access-reviews';
import { badRequest, methodNotAllowed } from './api-status';
import type { ObjectStore } from './object-store';
import type { RequestBody } from './request-body';
import type { ServiceAccountTokens } from './service-account-tokens';
import { isRecord } from './structural-schema';
import { reviewToken, type KnownToken } from './token-reviews';

const tokenRequestPath = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/;

/** What is asked and answered but never stored: reviews of tokens and of access, and requests for tokens. */
export class Reviews {
  constructor(
    private readonly store: ObjectStore,
    private readonly known: readonly KnownToken[],
    private readonly issued: ServiceAccountTokens,
  ) {}

  /**
   * `undefined` for a path that is none of theirs.
   * @throws ApiStatus
   */
  answer(method: string, path: string, body: RequestBody): object | undefined {
    const answer = this.at(path);
    if (answer === undefined) return undefined;
    if (method !== 'POST') throw methodNotAllowed();
    return answer(body.parsed());
  }

  private at(path: string): ((body: unknown) => object) | undefined {
    switch (path) {
      case '/apis/authentication.k8s.io/v1/tokenreviews':
        return reviewOf('authentication.k8s.io/v1', 'TokenReview', (spec) =>
          reviewToken(spec, this.known, this.issued),
        );
      case '/apis/authorization.k8s.io/v1/subjectaccessreviews':
        return reviewOf('authorization.k8s.io/v1', 'SubjectAccessReview', (spec) => reviewAccess(this.store, spec));
      case '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews':
        return reviewOf('authorization.k8s.io/v1', 'SelfSubjectAccessReview', reviewOwnAccess);
    }
    const [, namespace, name] = tokenRequestPath.exec(path) ?? [];
    if (namespace === undefined || name === undefined) return undefined;
    return (body) => this.issued.issue(namespace, name, isRecord(body) ? body : {});
  }
}

function reviewOf(apiVersion: string, kind: string, statusOf: (spec: Record<string, unknown>) => object) {
  return (body: unknown): object => {
    const given = isRecord(body) ? body : {};
    const named = typeof given.kind === 'string' ? given.kind : kind;
    if (named !== kind) throw badRequest(`${named} in version "v1" cannot be handled as a ${kind}`);
    const spec = isRecord(given.spec) ? given.spec : {};
    return { kind, apiVersion, metadata: {}, spec, status: statusOf(spec) };
  };
}
