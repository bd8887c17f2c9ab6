import { configMap, request, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeObjects(scope: ContractScope): void {
  const { home, requests, configMaps, call, merge, create } = scope;

  describe('objects', () => {
    it('get the metadata that a server gives, and are answered again', async () => {
      const { code, body } = await create('metadata');
      expect(code).toBe(201);
      expect(body.metadata).toMatchObject({
        name: 'metadata',
        namespace: home,
        generation: 1,
        uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        resourceVersion: expect.stringMatching(/^\d+$/),
        creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      });
      expect((await call('GET', `${requests}/metadata`)).body).toEqual(body);
    });

    it('count generations only when a CRD made them', async () => {
      const { body } = await call('POST', configMaps, configMap('generations'));
      expect(body.metadata).not.toHaveProperty('generation');
    });

    it('get a name from generateName', async () => {
      const { metadata: _, ...rest } = request('');
      const { code, body } = await call('POST', requests, { ...rest, metadata: { generateName: 'some-' } });
      expect(code).toBe(201);
      expect(body.metadata.name).toMatch(/^some-[a-z0-9]{5}$/);
    });

    it('are only tried in a dry run', async () => {
      const { code, body } = await call('POST', `${requests}?dryRun=All`, request('dry'));
      expect(code).toBe(201);
      expect(body.metadata).toMatchObject({ name: 'dry', uid: expect.any(String) });
      expect(body.metadata).not.toHaveProperty('resourceVersion');
      expect((await call('GET', `${requests}/dry`)).code).toBe(404);
      const refused = await call('POST', `${requests}?dryRun=All`, request('dry', { severity: 'terrible' }));
      expect(refused).toMatchObject({ code: 422, body: { reason: 'Invalid' } });
      expect(await call('POST', `${requests}?dryRun=Some`, request('dry'))).toMatchObject({
        code: 422,
        body: { reason: 'Invalid', details: { kind: 'CreateOptions', causes: [{ field: 'dryRun' }] } },
      });
    });

    it('are gone when they are deleted', async () => {
      await create('deleted');
      expect(await call('DELETE', `${requests}/deleted?dryRun=All`)).toMatchObject({ code: 200 });
      expect(await call('DELETE', `${requests}/deleted`)).toMatchObject({
        code: 200,
        body: {
          kind: 'Status',
          status: 'Success',
          details: { name: 'deleted', group: 'remediation.kubernaut.io', kind: 'remediationrequests' },
        },
      });
      expect((await call('DELETE', `${requests}/deleted`)).code).toBe(404);
    });

    it('stay until their finalizers are gone', async () => {
      await call('POST', configMaps, configMap('held', {}, { finalizers: ['example.com/held'] }));
      const { body } = await call('DELETE', `${configMaps}/held`);
      expect(body).toMatchObject({ kind: 'ConfigMap', metadata: { deletionTimestamp: expect.any(String) } });
      expect((await call('GET', `${configMaps}/held`)).code).toBe(200);
      await merge(`${configMaps}/held`, { metadata: { finalizers: null } });
      expect((await call('GET', `${configMaps}/held`)).code).toBe(404);
    });
  });
}
