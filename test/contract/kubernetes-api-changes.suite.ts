import { configMap, request, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeChanges(scope: ContractScope): void {
  const { home, requests, configMaps, call, merge, create } = scope;
  const owner = { apiVersion: 'v1', kind: 'Namespace', name: 'x', uid: 'x' };
  let operated = 0;
  const operate = async (more: object, operation: object, metadata: object = {}) => {
    const name = `operated-${++operated}`;
    await call('POST', configMaps, configMap(name, more, metadata));
    return call('PATCH', `${configMaps}/${name}`, [operation], { contentType: 'application/json-patch+json' });
  };

  describe('a change', () => {
    it('is of the status or of all else, never of both', async () => {
      await create('parts');
      await merge(`${requests}/parts`, { status: { overallPhase: 'Completed' } });
      expect((await call('GET', `${requests}/parts`)).body).not.toHaveProperty('status');

      const { code, body } = await merge(`${requests}/parts/status`, {
        metadata: { labels: { by: 'status' } },
        spec: { priority: 'P2' },
        status: { overallPhase: 'Completed', other: 1 },
      });
      expect({ code, body }).toMatchObject({
        code: 200,
        body: { spec: { priority: 'P1' }, status: { overallPhase: 'Completed', other: 1 } },
      });
      expect(body.metadata.generation).toBe(1);
      expect(body.metadata.labels).toBeUndefined();
    });

    it('that changes nothing makes no new version', async () => {
      const { body: before } = await create('same', {}, { a: 'b' });
      const { body } = await merge(`${requests}/same`, { metadata: { labels: { a: 'b' } } });
      expect(body.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    });

    it('that is based on an older version is refused', async () => {
      const { body } = await create('versions');
      await merge(`${requests}/versions`, { metadata: { labels: { a: 'b' } } });
      const conflict = {
        code: 409,
        body: {
          reason: 'Conflict',
          message: expect.stringContaining('the object has been modified'),
          details: { name: 'versions', kind: 'remediationrequests' },
        },
      };
      const { resourceVersion } = body.metadata;
      expect(await call('PUT', `${requests}/versions`, body)).toMatchObject(conflict);
      expect(await merge(`${requests}/versions`, { metadata: { resourceVersion, labels: { a: 'd' } } })).toMatchObject(
        conflict,
      );
      expect(
        await merge(`${requests}/versions/status`, { metadata: { resourceVersion }, status: { other: 2 } }),
      ).toMatchObject(conflict);
    });

    it('of a custom resource as a whole needs a version, of what is built in not', async () => {
      await create('whole');
      expect(await call('PUT', `${requests}/whole`, request('whole'))).toMatchObject({
        code: 422,
        body: { details: { causes: [{ field: 'metadata.resourceVersion' }] } },
      });
      await call('POST', configMaps, configMap('whole'));
      const put = await call('PUT', `${configMaps}/whole`, configMap('whole', { data: { a: 'b' } }));
      expect(put).toMatchObject({ code: 200, body: { data: { a: 'b' } } });
    });

    it('cannot be of the identity', async () => {
      await create('identity');
      expect(await merge(`${requests}/identity`, { metadata: { uid: 'x' } })).toMatchObject({
        code: 422,
        body: { details: { causes: expect.arrayContaining([expect.objectContaining({ field: 'metadata.uid' })]) } },
      });
      expect((await merge(`${requests}/identity`, { metadata: { name: 'other' } })).code).toBe(400);
    });

    it('may be a merge, a strategic merge or single operations', async () => {
      await call('POST', configMaps, configMap('patched', { data: { a: '1', b: '2' } }));
      const path = `${configMaps}/patched`;
      const patch = (type: string, body: unknown) =>
        call('PATCH', path, body, { contentType: `application/${type}+json` });
      expect((await patch('merge-patch', { data: { a: null, c: '3' } })).body.data).toEqual({ b: '2', c: '3' });
      expect((await patch('strategic-merge-patch', { data: { b: null } })).body.data).toEqual({ c: '3' });
      const operation = { op: 'add', path: '/data/d', value: '4' };
      expect((await patch('json-patch', [operation])).body.data).toEqual({ c: '3', d: '4' });
    });

    it.each([
      [
        { op: 'move', from: '/data/a', path: '/data/c' },
        { b: '2', c: '1' },
      ],
      [
        { op: 'copy', from: '/data/a', path: '/data/c' },
        { a: '1', b: '2', c: '1' },
      ],
      [
        { op: 'replace', path: '/data/a', value: '3' },
        { a: '3', b: '2' },
      ],
      // RFC 6902 would have it fail.
      [
        { op: 'replace', path: '/data/absent', value: '3' },
        { a: '1', b: '2', absent: '3' },
      ],
      [{ op: 'remove', path: '/data/a' }, { b: '2' }],
    ])('may be %j', async (operation, data) => {
      const { code, body } = await operate({ data: { a: '1', b: '2' } }, operation);
      expect({ code, data: body.data }).toEqual({ code: 200, data });
    });

    it.each([
      { op: 'move', from: '/data/absent', path: '/data/c' },
      { op: 'remove', path: '/data/absent' },
      { op: 'test', path: '/data/absent', value: '1' },
      { op: 'add', path: '/data/absent/inner', value: '1' },
      { op: 'add', path: '/__proto__/inner', value: '1' },
      { op: 'add', path: '/metadata/ownerReferences/2', value: owner },
      { op: 'replace', path: '/metadata/ownerReferences/1', value: owner },
      { op: 'remove', path: '/metadata/ownerReferences/1' },
    ])('cannot be of what is absent: %j', async (operation) => {
      const { uid } = (await call('GET', `/api/v1/namespaces/${home}`)).body.metadata;
      const ownerReferences = [{ ...owner, name: home, uid }];
      const { code } = await operate({ data: { a: '1' } }, operation, { ownerReferences });
      expect(code).toBe(422);
    });
  });
}
