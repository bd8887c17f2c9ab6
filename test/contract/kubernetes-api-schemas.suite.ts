import { configMap, request, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeSchemas(scope: ContractScope): void {
  const { requests, configMaps, call, merge, create } = scope;

  describe('a schema', () => {
    it('lets unknown fields be refused, warned of, or dropped in silence', async () => {
      const strict = await create('strict', { foo: 1, resource: { kind: 'Pod', name: 'a', bar: 2 } });
      expect(strict).toMatchObject({ code: 400, body: { reason: 'BadRequest' } });
      expect(strict.body.message).toBe(
        'RemediationRequest in version "v1" cannot be handled as a RemediationRequest: strict decoding error: unknown field "spec.foo", unknown field "spec.resource.bar"',
      );
      const metadata = await call('POST', `${requests}?fieldValidation=Strict`, {
        ...request('strict'),
        metadata: { name: 'strict', foo: 1 },
      });
      expect(metadata.body.message).toContain('strict decoding error: unknown field "metadata.foo"');

      const warned = await call('POST', requests, request('warned', { foo: 1 }));
      expect(warned.code).toBe(201);
      expect(String(warned.headers.warning)).toContain(String.raw`unknown field \"spec.foo\"`);
      const ignored = await call('POST', `${requests}?fieldValidation=Ignore`, request('ignored', { foo: 1 }));
      expect(ignored.code).toBe(201);
      expect(ignored.headers).not.toHaveProperty('warning');
      expect(ignored.body.spec).not.toHaveProperty('foo');
    });

    it('is there for what is built in as well', async () => {
      const refused = await call('POST', `${configMaps}?fieldValidation=Strict`, configMap('strict', { foo: 1 }));
      expect(refused.body.message).toBe(
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"',
      );
    });

    it('names every violation as a cause', async () => {
      const { code, body } = await create('violations', {
        alertName: '',
        severity: 'terrible',
        priority: undefined,
        fingerprint: 'x',
        generation: 0,
        labels: { a: 1 },
        firingTime: 'never',
      });
      expect(code).toBe(422);
      expect(body.details).toMatchObject({ name: 'violations', kind: 'RemediationRequest' });
      const causes = body.details.causes as { field: string; reason: string; message: string }[];
      expect(causes.map(({ field, reason }) => [field, reason]).sort()).toEqual([
        ['<nil>', 'FieldValueInvalid'],
        ['spec.alertName', 'FieldValueInvalid'],
        ['spec.fingerprint', 'FieldValueInvalid'],
        ['spec.firingTime', 'FieldValueTypeInvalid'],
        ['spec.generation', 'FieldValueInvalid'],
        ['spec.labels.a', 'FieldValueTypeInvalid'],
        ['spec.priority', 'FieldValueRequired'],
        ['spec.severity', 'FieldValueNotSupported'],
      ]);
      expect(causes.find(({ field }) => field === 'spec.severity')?.message).toBe(
        'Unsupported value: "terrible": supported values: "critical", "warning", "info"',
      );
    });

    it('keeps the spec as it was', async () => {
      await create('immutable');
      const changed = await merge(`${requests}/immutable`, { spec: { priority: 'P2' } });
      expect(changed).toMatchObject({
        code: 422,
        body: {
          reason: 'Invalid',
          details: {
            name: 'immutable',
            kind: 'RemediationRequest',
            causes: [{ reason: 'FieldValueInvalid', field: 'spec', message: 'Invalid value: spec is immutable' }],
          },
        },
      });
      expect((await merge(`${requests}/immutable`, { spec: { priority: 'P1' } })).code).toBe(200);
    });
  });
}
