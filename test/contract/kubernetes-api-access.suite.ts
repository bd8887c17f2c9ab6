import type { Answered } from '../support/api-under-test';
import { eventually } from '../support/eventually';
import { rbac, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeAccess(scope: ContractScope): void {
  const { id, home, call, merge } = scope;

  describe('access', () => {
    const role = `contract-${id}`;
    const clusterRoles = `/apis/${rbac}/v1/clusterroles`;
    const clusterBindings = `/apis/${rbac}/v1/clusterrolebindings`;
    const local = `/apis/${rbac}/v1/namespaces/${home}`;
    const binding = (kind: string, name: string, roleRef: object, subjects: object[]) => ({
      apiVersion: `${rbac}/v1`,
      kind,
      metadata: { name },
      roleRef: { apiGroup: rbac, ...roleRef },
      subjects,
    });
    beforeAll(async () => {
      const created = [
        await call('POST', clusterRoles, {
          apiVersion: `${rbac}/v1`,
          kind: 'ClusterRole',
          metadata: { name: role },
          rules: [
            { apiGroups: ['gateway.kubernaut.io'], resources: ['signals'], verbs: ['create'] },
            { apiGroups: ['example.com'], resources: ['named'], resourceNames: ['a'], verbs: ['get'] },
            { apiGroups: ['example.com'], resources: ['things/log', '*/scale'], verbs: ['*'] },
            { nonResourceURLs: ['/contract/*'], verbs: ['get'] },
          ],
        }),
        await call(
          'POST',
          clusterBindings,
          binding('ClusterRoleBinding', role, { kind: 'ClusterRole', name: role }, [
            { kind: 'ServiceAccount', name: 'sender', namespace: home },
            { kind: 'User', apiGroup: rbac, name: 'jane' },
            { kind: 'Group', apiGroup: rbac, name: 'senders' },
          ]),
        ),
        await call('POST', `${local}/roles`, {
          apiVersion: `${rbac}/v1`,
          kind: 'Role',
          metadata: { name: 'everything' },
          rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
        }),
        await call(
          'POST',
          `${local}/rolebindings`,
          binding('RoleBinding', 'local', { kind: 'Role', name: 'everything' }, [{ kind: 'User', name: 'joe' }]),
        ),
        await call(
          'POST',
          `${local}/rolebindings`,
          binding('RoleBinding', 'shared', { kind: 'ClusterRole', name: role }, [{ kind: 'User', name: 'jim' }]),
        ),
        await call(
          'POST',
          `${local}/rolebindings`,
          binding('RoleBinding', 'void', { kind: 'Role', name: 'absent' }, [{ kind: 'User', name: 'void' }]),
        ),
      ];
      expect(created.map(({ code }) => code)).toEqual(created.map(() => 201));
    });
    afterAll(async () => {
      await call('DELETE', `${clusterBindings}/${role}`);
      await call('DELETE', `${clusterRoles}/${role}`);
    });

    const review = (spec: object) =>
      call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec,
      });
    const statusOf = async (spec: object) => (await review(spec)).body.status;
    const send = { group: 'gateway.kubernaut.io', resource: 'signals', verb: 'create' };
    const cluster = (to: string) => `RBAC: allowed by ClusterRoleBinding "${role}" of ClusterRole "${role}" to ${to}`;
    const denied = { allowed: false };

    it('is what the roles that are bound allow, in the cluster or in a namespace', async () => {
      const sender = `system:serviceaccount:${home}:sender`;
      const allowed = (reason: string) => ({ allowed: true, reason });
      // The real server learns of roles a moment after they are there.
      await eventually(async () =>
        expect(await statusOf({ user: 'jim', resourceAttributes: { ...send, namespace: home } })).toEqual(
          allowed(`RBAC: allowed by RoleBinding "shared/${home}" of ClusterRole "${role}" to User "jim"`),
        ),
      );
      expect(await statusOf({ user: sender, resourceAttributes: send })).toEqual(
        allowed(cluster(`ServiceAccount "sender/${home}"`)),
      );
      expect(await statusOf({ user: sender, resourceAttributes: { ...send, namespace: home } })).toEqual(
        allowed(cluster(`ServiceAccount "sender/${home}"`)),
      );
      expect(await statusOf({ user: 'jane', resourceAttributes: send })).toEqual(allowed(cluster('User "jane"')));
      expect(await statusOf({ groups: ['senders'], resourceAttributes: send })).toEqual(
        allowed(cluster('Group "senders"')),
      );
      expect(await statusOf({ user: 'joe', resourceAttributes: { ...send, verb: 'delete', namespace: home } })).toEqual(
        allowed(`RBAC: allowed by RoleBinding "local/${home}" of Role "everything" to User "joe"`),
      );
    });

    it('is not what they do not allow', async () => {
      for (const user of ['joe', 'jim', 'stranger']) {
        expect(await statusOf({ user, resourceAttributes: send })).toEqual(denied);
        expect(await statusOf({ user, resourceAttributes: { ...send, namespace: 'default' } })).toEqual(denied);
      }
      expect(await statusOf({ user: 'jane', resourceAttributes: { ...send, verb: 'get' } })).toEqual(denied);
      expect(await statusOf({ user: 'jane', resourceAttributes: { ...send, group: '' } })).toEqual(denied);
      expect(await statusOf({ user: `system:serviceaccount:default:sender`, resourceAttributes: send })).toEqual(
        denied,
      );
    });

    it('may be to single names, to subresources and to paths', async () => {
      const named = { group: 'example.com', resource: 'named', verb: 'get' };
      const things = { group: 'example.com', resource: 'things', verb: 'get' };
      const mayJane = async (attributes: object) => (await statusOf({ user: 'jane', ...attributes })).allowed;
      await eventually(async () => expect(await mayJane({ resourceAttributes: { ...named, name: 'a' } })).toBe(true));
      expect(await mayJane({ resourceAttributes: { ...named, name: 'b' } })).toBe(false);
      expect(await mayJane({ resourceAttributes: named })).toBe(false);
      expect(await mayJane({ resourceAttributes: { ...things, subresource: 'log' } })).toBe(true);
      expect(await mayJane({ resourceAttributes: { ...things, subresource: 'scale' } })).toBe(true);
      expect(await mayJane({ resourceAttributes: { ...things, subresource: 'exec' } })).toBe(false);
      expect(await mayJane({ resourceAttributes: things })).toBe(false);
      expect(await mayJane({ nonResourceAttributes: { path: '/contract/x', verb: 'get' } })).toBe(true);
      expect(await mayJane({ nonResourceAttributes: { path: '/contract', verb: 'get' } })).toBe(false);
      expect(await mayJane({ nonResourceAttributes: { path: '/contract/x', verb: 'post' } })).toBe(false);
    });

    it('is everything for system:masters, and nothing by a role that is not there', async () => {
      expect(await statusOf({ user: 'x', groups: ['system:masters'], resourceAttributes: send })).toEqual({
        allowed: true,
      });
      await eventually(async () =>
        expect(await statusOf({ user: 'void', resourceAttributes: { ...send, namespace: home } })).toEqual({
          allowed: false,
          reason: 'RBAC: role.rbac.authorization.k8s.io "absent" not found',
        }),
      );
    });

    it('is reviewed of somebody, to something', async () => {
      const causesOf = ({ code, body }: Answered) => [
        code,
        body.details.causes.map(({ field }: { field: string }) => field),
      ];
      expect(causesOf(await review({}))).toEqual([422, ['spec.resourceAttributes', 'spec.user']]);
      expect(causesOf(await review({ user: 'x' }))).toEqual([422, ['spec.resourceAttributes']]);
      expect(causesOf(await review({ resourceAttributes: send }))).toEqual([422, ['spec.user']]);
      const both = { user: 'x', resourceAttributes: send, nonResourceAttributes: { path: '/', verb: 'get' } };
      expect(causesOf(await review(both))).toEqual([422, ['spec.nonResourceAttributes']]);
    });

    it('is everything for the administrator who asks for himself', async () => {
      const { code, body } = await call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: send },
      });
      expect({ code, body }).toMatchObject({ code: 201, body: { status: { allowed: true } } });
    });

    it('keeps the role of a binding', async () => {
      expect(await merge(`${clusterBindings}/${role}`, { roleRef: { name: 'other' } })).toMatchObject({
        code: 422,
        body: {
          details: { causes: [{ field: 'roleRef', message: expect.stringContaining('cannot change roleRef') }] },
        },
      });
    });
  });
}
