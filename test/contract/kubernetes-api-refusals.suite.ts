import type { Answered } from '../support/api-under-test';
import { configMap, namespace, request, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeRefusals(scope: ContractScope): void {
  const { home, requests, configMaps, call, create } = scope;

  describe('refuses', () => {
    const causeOf = (field: string): unknown =>
      expect.objectContaining({ reason: 'FieldValueInvalid', field, message: expect.any(String) });
    it.each<[string, () => Promise<Answered>, number, string, object | undefined]>([
      [
        'an object that exists',
        () => create('plain'),
        409,
        'AlreadyExists',
        { name: 'plain', group: 'remediation.kubernaut.io', kind: 'remediationrequests' },
      ],
      [
        'an object that does not',
        () => call('GET', `${requests}/nope`),
        404,
        'NotFound',
        { name: 'nope', group: 'remediation.kubernaut.io', kind: 'remediationrequests' },
      ],
      [
        'a namespace that is not there',
        () => call('POST', requests.replace(home, 'nowhere'), request('x')),
        404,
        'NotFound',
        { name: 'nowhere', kind: 'namespaces' },
      ],
      [
        'a namespace that is not there, of what is built in',
        () => call('POST', configMaps.replace(home, 'nowhere'), configMap('x')),
        404,
        'NotFound',
        { name: 'nowhere', kind: 'namespaces' },
      ],
      ['a built-in resource that is not', () => call('GET', '/api/v1/nothings'), 404, 'NotFound', {}],
      [
        'a wrong kind',
        () => call('POST', requests, { ...request('x'), kind: 'Other' }),
        422,
        'Invalid',
        { name: 'x', group: 'remediation.kubernaut.io', kind: 'Other', causes: [causeOf('kind')] },
      ],
      [
        'a wrong kind of what is built in',
        () => call('POST', configMaps, { ...configMap('x'), kind: 'Secret' }),
        400,
        'BadRequest',
        undefined,
      ],
      ['another API version', () => call('POST', requests, configMap('x')), 400, 'BadRequest', undefined],
      ['what is no object', () => call('POST', requests, []), 400, 'BadRequest', undefined],
      ['what is no JSON', () => call('POST', requests, '{nonsense'), 400, 'BadRequest', undefined],
      [
        'another namespace than that of the path',
        () => call('POST', requests, { ...request('x'), metadata: { name: 'x', namespace: 'default' } }),
        400,
        'BadRequest',
        undefined,
      ],
      [
        'a name that is none',
        () => create('Not_A_Name'),
        422,
        'Invalid',
        {
          name: 'Not_A_Name',
          group: 'remediation.kubernaut.io',
          kind: 'RemediationRequest',
          causes: [causeOf('metadata.name')],
        },
      ],
      [
        'a label that is none',
        () => create('label', {}, { a: 'not a value' }),
        422,
        'Invalid',
        {
          name: 'label',
          group: 'remediation.kubernaut.io',
          kind: 'RemediationRequest',
          causes: [causeOf('metadata.labels')],
        },
      ],
      [
        'a strategic merge of a custom resource',
        () => call('PATCH', `${requests}/plain`, {}, { contentType: 'application/strategic-merge-patch+json' }),
        415,
        'UnsupportedMediaType',
        undefined,
      ],
      [
        'a patch without a type of its own',
        () => call('PATCH', `${configMaps}/x`, {}, { contentType: 'application/json' }),
        415,
        'UnsupportedMediaType',
        {},
      ],
      [
        'a body of another media type',
        () => call('POST', requests, 'a: b', { contentType: 'text/plain' }),
        415,
        'UnsupportedMediaType',
        undefined,
      ],
      [
        'a JSON patch that does not fit',
        () =>
          call('PATCH', `${requests}/plain`, [{ op: 'test', path: '/spec/priority', value: 'P4' }], {
            contentType: 'application/json-patch+json',
          }),
        422,
        'Invalid',
        {},
      ],
      [
        'a method that an object does not have',
        () => call('POST', `/api/v1/namespaces/${home}`, namespace(home)),
        405,
        'MethodNotAllowed',
        {},
      ],
      [
        'a method that a collection does not have',
        () => call('PUT', '/api/v1/namespaces', namespace(home)),
        405,
        'MethodNotAllowed',
        {},
      ],
      ['the deletion of all namespaces', () => call('DELETE', '/api/v1/namespaces'), 405, 'MethodNotAllowed', {}],
      [
        'a field that cannot be selected by',
        () => call('GET', `${requests}?fieldSelector=spec.alertName%3DA`),
        400,
        'BadRequest',
        undefined,
      ],
      [
        'a continuation that is none',
        () => call('GET', `${requests}?limit=1&continue=garbage`),
        400,
        'BadRequest',
        undefined,
      ],
    ])('%s', async (_what, act, code, reason, details) => {
      const answered = await act();
      expect(answered).toMatchObject({
        code,
        body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code },
      });
      expect(answered.body.details).toEqual(details);
    });

    it('what is too large for its storage', async () => {
      const { code, body } = await create('large', { originalPayload: 'x'.repeat(1_600_000) });
      expect({ code, body }).toMatchObject({ code: 500, body: { kind: 'Status', status: 'Failure', code: 500 } });
      expect(body).toMatchObject({ message: 'etcdserver: request is too large' });
      expect(body).not.toHaveProperty('reason');
    });

    it('what is too large for a request', async () => {
      const { code, body } = await create('larger', { originalPayload: 'x'.repeat(3_200_000) });
      expect({ code, body }).toMatchObject({ code: 413, body: { reason: 'RequestEntityTooLarge' } });
    });

    it('what no resource is there for, without a Status', async () => {
      for (const path of [
        '/apis/absent.kubernaut.io/v1/things',
        '/apis/remediation.kubernaut.io/v1/nothings',
        '/nowhere',
      ]) {
        const { code, body, headers } = await call('GET', path);
        expect({ code, body }).toEqual({ code: 404, body: '404 page not found\n' });
        expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      }
    });

    it('more than it can take', async () => {
      const { code, body, headers } = await scope.api.overload();
      expect({ code, body }).toEqual({ code: 429, body: 'Too many requests, please try again later.\n' });
      expect(headers).toMatchObject({ 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8' });
    }, 60_000);
  });
}
