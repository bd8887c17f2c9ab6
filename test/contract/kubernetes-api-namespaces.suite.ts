import { eventually } from '../support/eventually';
import { configMap, namespace, request, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeNamespaces(scope: ContractScope): void {
  const { id, home, requests, call, merge } = scope;

  describe('a namespace', () => {
    const path = (name: string) => `/api/v1/namespaces/${name}`;

    it('has a label with its name, and those that it is given', async () => {
      const name = `labels-${id}`;
      const { code, body } = await call('POST', '/api/v1/namespaces', namespace(name, { labels: { team: 'a' } }));
      expect({ code, body }).toMatchObject({
        code: 201,
        body: {
          metadata: { labels: { 'kubernetes.io/metadata.name': name, team: 'a' } },
          spec: { finalizers: ['kubernetes'] },
          status: { phase: 'Active' },
        },
      });
      const labelled = await merge(path(name), { metadata: { labels: { team: 'b' } } });
      expect(labelled.body.metadata.labels).toEqual({ 'kubernetes.io/metadata.name': name, team: 'b' });
      await call('DELETE', path(name));
    });

    it('is unknown when it is not there', async () => {
      expect(await call('GET', path('nowhere'))).toMatchObject({
        code: 404,
        body: { reason: 'NotFound', details: { name: 'nowhere', kind: 'namespaces' } },
      });
    });

    it('has a name that is a DNS label', async () => {
      const { code, body } = await call('POST', '/api/v1/namespaces', namespace('a.b'));
      expect({ code, body }).toMatchObject({
        code: 422,
        body: { details: { kind: 'Namespace', causes: [{ field: 'metadata.name' }] } },
      });
    });

    it('takes nothing new while something in it keeps it from ending', async () => {
      const name = `held-${id}`;
      await call('POST', '/api/v1/namespaces', namespace(name));
      const held = `${path(name)}/configmaps`;
      await call('POST', held, configMap('held', {}, { finalizers: ['example.com/held'] }));
      expect((await call('DELETE', path(name))).body).toMatchObject({
        metadata: { deletionTimestamp: expect.any(String) },
        status: { phase: 'Terminating' },
      });
      const refusal = (details: object) => ({
        code: 403,
        body: {
          reason: 'Forbidden',
          details: {
            ...details,
            causes: [
              {
                reason: 'NamespaceTerminating',
                message: `namespace ${name} is being terminated`,
                field: 'metadata.namespace',
              },
            ],
          },
        },
      });
      expect(await call('POST', held, configMap('late'))).toMatchObject(refusal({ name: 'late', kind: 'configmaps' }));
      expect(await call('POST', requests.replace(home, name), request('late'))).toMatchObject(
        refusal({ name: 'late', group: 'remediation.kubernaut.io', kind: 'remediationrequests' }),
      );
      expect((await call('GET', path(name))).body.status.phase).toBe('Terminating');
      await merge(`${held}/held`, { metadata: { finalizers: null } });
    });

    it('stays while it has a finalizer of its own', async () => {
      const name = `final-${id}`;
      await call('POST', '/api/v1/namespaces', {
        ...namespace(name, { finalizers: ['example.com/held'] }),
        spec: { finalizers: ['kubernetes', 'example.com/spec'] },
      });
      await call('DELETE', path(name));
      const { body } = await merge(path(name), { metadata: { finalizers: null } });
      expect(body).toMatchObject({ spec: { finalizers: expect.arrayContaining(['example.com/spec']) } });
      expect((await call('GET', path(name))).body.status.phase).toBe('Terminating');
      expect((await call('PUT', `${path(name)}/finalize`, { ...namespace(name), spec: {} })).code).toBe(200);
      await eventually(async () => expect((await call('GET', path(name))).code).toBe(404));
    });
  });
}
