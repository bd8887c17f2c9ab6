import { AccessReviewClient } from './access-review.client';
import type { KubernetesApi } from './kubernetes-api';

describe('AccessReviewClient', () => {
  const never = new AbortController().signal;
  let asked: { path: string; body: unknown }[];
  const clientThatHears = (status: object) => {
    asked = [];
    const call = (_: string, path: string, { body }: { body: unknown }) => {
      asked.push({ path, body });
      return Promise.resolve({ status });
    };
    return new AccessReviewClient({ call } as unknown as KubernetesApi);
  };

  it('asks for the virtual resource, by the name of the source, with all that is known of the caller', async () => {
    const caller = { username: 'a', uid: '1', groups: ['g'], extra: { scopes: ['x'] } };
    await clientThatHears({ allowed: true }).maySend(caller, 'prometheus', 'shop', never);
    expect(asked).toEqual([
      {
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user: 'a',
            uid: '1',
            groups: ['g'],
            extra: { scopes: ['x'] },
            resourceAttributes: {
              group: 'gateway.kubernaut.io',
              resource: 'signals',
              verb: 'create',
              name: 'prometheus',
              namespace: 'shop',
            },
          },
        },
      },
    ]);
  });

  it.each([
    [{ allowed: true }, true],
    [{ allowed: false }, false],
    [{ allowed: true, denied: true }, false],
    [{ allowed: false, denied: true, evaluationError: 'timeout' }, false],
    [{ allowed: true, evaluationError: 'one of several could not be asked' }, true],
    [{ allowed: false, evaluationError: 'clusterrole.rbac.authorization.k8s.io "gone" not found' }, false],
  ])('takes %j for %s', async (status, answer) => {
    expect(await clientThatHears(status).maySend({ username: 'a' }, 'prometheus', '', never)).toBe(answer);
  });

  it('cannot tell when an authorizer could not be asked', async () => {
    const client = clientThatHears({ allowed: false, evaluationError: 'webhook: context deadline exceeded' });
    await expect(client.maySend({ username: 'a' }, 'prometheus', 'shop', never)).rejects.toMatchObject({
      failure: 'unavailable',
    });
  });
});
