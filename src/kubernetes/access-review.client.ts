import type {
  V1SelfSubjectAccessReview,
  V1SubjectAccessReview,
  V1SubjectAccessReviewStatus,
} from '@kubernetes/client-node';
import type { Caller } from '../caller';
import type { KubernetesApi } from './kubernetes-api';
import { KubernetesApiError } from './kubernetes-api.error';
import { sendSignals, type Permission } from './permissions';

const reviews = '/apis/authorization.k8s.io/v1';
const apiVersion = 'authorization.k8s.io/v1';

/** Asks the API server who may do what. Failures are `KubernetesApiError`s. */
export class AccessReviewClient {
  constructor(private readonly api: KubernetesApi) {}

  /**
   * Whether a caller may send signals of a source.
   * @param namespace of the signal; empty: for every namespace
   */
  async maySend(caller: Caller, source: string, namespace: string, signal: AbortSignal): Promise<boolean> {
    const { username, uid, groups, extra } = caller;
    const body: V1SubjectAccessReview = {
      apiVersion,
      kind: 'SubjectAccessReview',
      spec: {
        user: username,
        ...(uid === undefined ? {} : { uid }),
        ...(groups === undefined ? {} : { groups: [...groups] }),
        ...(extra === undefined
          ? {}
          : { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
        resourceAttributes: { ...sendSignals, name: source, namespace },
      },
    };
    return allowed(await this.api.call('POST', `${reviews}/subjectaccessreviews`, { body, signal }));
  }

  /** Whether the gateway itself has a permission. */
  async mayWe(permission: Permission, signal: AbortSignal): Promise<boolean> {
    const { group, resource, subresource, verb, namespace, name } = permission;
    const body: V1SelfSubjectAccessReview = {
      apiVersion,
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          group,
          resource,
          verb,
          ...(subresource === undefined ? {} : { subresource }),
          ...(namespace === undefined ? {} : { namespace }),
          ...(name === undefined ? {} : { name }),
        },
      },
    };
    return allowed(await this.api.call('POST', `${reviews}/selfsubjectaccessreviews`, { body, signal }));
  }
}

/**
 * An authorizer that denies outranks one that allows. One that could not be asked is no refusal; a role that a binding names
 * and that does not exist is: RBAC tells both in the same place.
 * @throws KubernetesApiError
 */
function allowed({ status }: { readonly status?: V1SubjectAccessReviewStatus }): boolean {
  if (status?.denied === true) return false;
  if (status?.allowed === true) return true;
  const { evaluationError } = status ?? {};
  if (evaluationError && !evaluationError.includes('not found'))
    throw new KubernetesApiError('unavailable', `the API server could not tell: ${evaluationError}`);
  return false;
}
