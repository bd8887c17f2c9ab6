import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import type { KubernetesObject } from '../../src/standalone/api-server/kubernetes-object';
import { eventually } from '../support/eventually';

/** The behaviour of a Kubernetes API server that the gateway and its orchestrator rely on, held against the standalone one. */
describe('the Kubernetes API of standalone mode', () => {
  const crd = parse(
    readFileSync(
      join(__dirname, '../../charts/kubernaut-gateway/crds/remediation.kubernaut.io_remediationrequests.yaml'),
      'utf8',
    ),
  ) as KubernetesObject;
  const namespace = (name: string): KubernetesObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const requests = '/apis/remediation.kubernaut.io/v1/namespaces/test/remediationrequests';
  const spec = {
    alertName: 'A',
    severity: 'critical',
    priority: 'P1',
    environment: 'test',
    resource: { kind: 'Pod', name: 'a' },
    fingerprint: '0'.repeat(64),
    metadata: { source: 'prometheus' },
  };
  const request = (name: string, more: object = {}, labels: Record<string, string> = {}) => ({
    apiVersion: 'remediation.kubernaut.io/v1',
    kind: 'RemediationRequest',
    metadata: { name, labels },
    spec: { ...spec, ...more },
  });

  let server: KubernetesApiServer;
  beforeAll(async () => {
    server = await startKubernetesApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      tokens: [{ token: 'good', username: 'system:serviceaccount:a:b', groups: ['g'] }],
      objects: [crd, namespace('test'), namespace('kubernaut-system')],
    });
  });
  afterAll(() => server.close());

  interface Answered {
    readonly code: number;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
    readonly body: any;
  }
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<Answered> => {
    const response = await fetch(server.url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': contentType } }),
    });
    return { code: response.status, body: await response.json() };
  };
  const create = (name: string, more = {}, labels = {}) =>
    call('POST', `${requests}?fieldValidation=Strict`, request(name, more, labels));
  const merge = (path: string, patch: object) => call('PATCH', path, patch, 'application/merge-patch+json');

  it('creates an object with the metadata that a server gives, and answers it again', async () => {
    const { code, body } = await create('plain');
    expect(code).toBe(201);
    expect(body.metadata).toMatchObject({
      name: 'plain',
      namespace: 'test',
      generation: 1,
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resourceVersion: expect.stringMatching(/^\d+$/),
      creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
    expect((await call('GET', `${requests}/plain`)).body).toEqual(body);
  });

  it.each([
    [
      'an object that exists',
      () => create('plain'),
      409,
      'AlreadyExists',
      { name: 'plain', kind: 'remediationrequests' },
    ],
    [
      'an object that does not',
      () => call('GET', `${requests}/nope`),
      404,
      'NotFound',
      { name: 'nope', kind: 'remediationrequests' },
    ],
    [
      'a namespace that does not',
      () => call('POST', requests.replace('/test/', '/nowhere/'), request('x')),
      404,
      'NotFound',
      { name: 'nowhere', kind: 'namespaces' },
    ],
    [
      'a resource that is not served',
      () => call('GET', '/apis/remediation.kubernaut.io/v1/nothings'),
      404,
      'NotFound',
      {},
    ],
    ['a wrong kind', () => call('POST', requests, { ...request('x'), kind: 'Other' }), 400, 'BadRequest', undefined],
    ['a name that is none', () => create('Not_A_Name'), 422, 'Invalid', { kind: 'RemediationRequest' }],
    [
      'a label that is none',
      () => create('label', {}, { a: 'not a value' }),
      422,
      'Invalid',
      { kind: 'RemediationRequest' },
    ],
    [
      'an object that is too large',
      () => create('large', { originalPayload: 'x'.repeat(1_600_000) }),
      422,
      'Invalid',
      undefined,
    ],
    [
      'an apply patch',
      () => call('PATCH', `${requests}/plain`, {}, 'application/apply-patch+yaml'),
      415,
      'UnsupportedMediaType',
      undefined,
    ],
    [
      'a strategic merge of a custom resource',
      () => call('PATCH', `${requests}/plain`, {}, 'application/strategic-merge-patch+json'),
      415,
      'UnsupportedMediaType',
      undefined,
    ],
    ['a method that is none', () => call('POST', `${requests}/plain`, {}), 405, 'MethodNotAllowed', {}],
    [
      'a body in protobuf',
      () => call('POST', '/api/v1/namespaces', {}, 'application/vnd.kubernetes.protobuf'),
      415,
      'UnsupportedMediaType',
      undefined,
    ],
  ])('refuses %s as the real one does', async (_what, act, code, reason, details) => {
    const answered = await act();
    expect(answered).toMatchObject({
      code,
      body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code },
    });
    expect(answered.body).toMatchObject(details === undefined ? {} : { details });
  });

  it('refuses unknown fields when it is strict, prunes them when it is not', async () => {
    const strict = await create('strict', { foo: 1, resource: { kind: 'Pod', name: 'a', bar: 2 } });
    expect(strict.code).toBe(400);
    expect(strict.body.message).toContain(
      'strict decoding error: unknown field "spec.resource.bar", unknown field "spec.foo"',
    );
    const lenient = await call('POST', `${requests}?fieldValidation=Ignore`, request('lenient', { foo: 1 }));
    expect(lenient.code).toBe(201);
    expect(lenient.body.spec).not.toHaveProperty('foo');
  });

  it('lists every violation of the schema as a cause', async () => {
    const { code, body } = await create('violations', { severity: 'terrible', priority: undefined, fingerprint: 'x' });
    expect(code).toBe(422);
    expect(
      body.details.causes.map(({ field, reason }: { field: string; reason: string }) => [field, reason]).sort(),
    ).toEqual([
      ['spec.fingerprint', 'FieldValueInvalid'],
      ['spec.priority', 'FieldValueRequired'],
      ['spec.severity', 'FieldValueNotSupported'],
    ]);
  });

  it('keeps the spec immutable, and the status apart from it', async () => {
    await create('parts');
    const changed = await merge(`${requests}/parts`, { spec: { priority: 'P2' } });
    expect(changed).toMatchObject({ code: 422, body: { reason: 'Invalid', details: { causes: [{ field: 'spec' }] } } });
    expect(changed.body.message).toContain('spec is immutable');

    await merge(`${requests}/parts`, { status: { overallPhase: 'Completed' } });
    expect((await call('GET', `${requests}/parts`)).body.status).toBeUndefined();

    const patched = await merge(`${requests}/parts/status`, {
      spec: { priority: 'P2' },
      status: { overallPhase: 'Completed', other: 1 },
    });
    expect(patched).toMatchObject({
      code: 200,
      body: { spec: { priority: 'P1' }, status: { overallPhase: 'Completed', other: 1 } },
    });
    expect(patched.body.metadata.generation).toBe(1);
  });

  it('refuses a write that is based on an older version', async () => {
    const { body } = await create('versions');
    await merge(`${requests}/versions`, { metadata: { labels: { a: 'b' } } });
    const stale = await call('PUT', `${requests}/versions`, {
      ...body,
      metadata: { ...body.metadata, labels: { a: 'c' } },
    });
    expect(stale).toMatchObject({ code: 409, body: { reason: 'Conflict' } });
    expect(
      await merge(`${requests}/versions`, { metadata: { resourceVersion: '1', labels: { a: 'd' } } }),
    ).toMatchObject({ code: 409 });
  });

  it('finds by label, in sets and by absence, in all namespaces', async () => {
    await create('red', {}, { color: 'red', page: 'x' });
    await create('blue', {}, { color: 'blue', page: 'x' });
    const namesOf = async (selector: string) =>
      (
        await call(
          'GET',
          `/apis/remediation.kubernaut.io/v1/remediationrequests?labelSelector=${encodeURIComponent(selector)}`,
        )
      ).body.items.map(({ metadata }: KubernetesObject) => metadata.name);
    expect(await namesOf('color=red')).toEqual(['red']);
    expect(await namesOf('page=x,color!=red')).toEqual(['blue']);
    expect(await namesOf('color in (red,blue)')).toEqual(['blue', 'red']);
    expect(await namesOf('page,color notin (red)')).toEqual(['blue']);
    expect(await namesOf('!color')).not.toContain('red');
  });

  it('pages through a list', async () => {
    const names: string[] = [];
    let token = '';
    do {
      const { body } = await call('GET', `${requests}?limit=2${token && `&continue=${token}`}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      names.push(...body.items.map(({ metadata }: KubernetesObject) => metadata.name));
      token = body.metadata.continue ?? '';
    } while (token !== '');
    expect(names).toEqual(
      (await call('GET', requests)).body.items.map(({ metadata }: KubernetesObject) => metadata.name),
    );
  });

  it('takes nothing new into a namespace that is being deleted', async () => {
    await call('POST', '/api/v1/namespaces', {
      ...namespace('leaving'),
      metadata: { name: 'leaving', finalizers: ['a.b/c'] },
    });
    expect((await call('DELETE', '/api/v1/namespaces/leaving')).body.status).toEqual({ phase: 'Terminating' });
    const refused = await call('POST', requests.replace('/test/', '/leaving/'), request('late'));
    expect(refused).toMatchObject({
      code: 403,
      body: {
        reason: 'Forbidden',
        details: { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] },
      },
    });
    await merge('/api/v1/namespaces/leaving', { metadata: { finalizers: null } });
    expect((await call('GET', '/api/v1/namespaces/leaving')).code).toBe(404);
  });

  it('watches from a version on, and sees objects enter and leave a selector', async () => {
    const { body: list } = await call('GET', requests);
    const query = new URLSearchParams({
      watch: 'true',
      resourceVersion: list.metadata.resourceVersion,
      labelSelector: 'watched=yes',
      timeoutSeconds: '5',
    });
    const stop = new AbortController();
    const response = await fetch(`${server.url}${requests}?${query.toString()}`, { signal: stop.signal });
    const events: string[] = [];
    const reading = (async () => {
      let rest = '';
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + Buffer.from(chunk).toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const { type, object } = JSON.parse(line) as { type: string; object: KubernetesObject };
          events.push(`${type} ${object.metadata.name ?? ''}`);
        }
      }
    })().catch(() => undefined);

    await create('unwatched');
    await create('watched', {}, { watched: 'yes' });
    await merge(`${requests}/watched`, { metadata: { labels: { more: 'x' } } });
    await merge(`${requests}/watched`, { metadata: { labels: { watched: 'no' } } });
    await merge(`${requests}/watched`, { metadata: { labels: { watched: 'yes' } } });
    await call('DELETE', `${requests}/watched`);
    await eventually(() =>
      expect(events).toEqual([
        'ADDED watched',
        'MODIFIED watched',
        'DELETED watched',
        'ADDED watched',
        'DELETED watched',
      ]),
    );
    stop.abort();
    await reading;
  });

  it('ends a watch at its time, with a bookmark before if it is wanted', async () => {
    const query = new URLSearchParams({
      watch: 'true',
      resourceVersion: '999999',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '1',
    });
    const text = await (await fetch(`${server.url}${requests}?${query.toString()}`)).text();
    expect(JSON.parse(text)).toMatchObject({
      type: 'BOOKMARK',
      object: { metadata: { resourceVersion: expect.any(String) } },
    });
  });

  it('says 410 when it has forgotten what came after a version', async () => {
    for (let i = 0; i < 4100; i++) await merge(`${requests}/plain`, { metadata: { labels: { i: String(i) } } });
    expect(await call('GET', `${requests}?watch=true&resourceVersion=1`)).toMatchObject({
      code: 410,
      body: { reason: 'Expired' },
    });
  }, 60_000);

  it('reviews tokens for any audience, and refuses unknown ones as the real one does', async () => {
    const review = (token: string) =>
      call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: ['kubernaut-gateway'] },
      });
    expect((await review('good')).body.status).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:a:b', groups: ['g', 'system:authenticated'] },
      audiences: ['kubernaut-gateway'],
    });
    expect((await review('bad')).body.status).toMatchObject({ error: expect.stringContaining('invalid bearer token') });
    expect((await review('bad')).body.status.authenticated).toBeUndefined();
  });

  it('refuses a CRD with a rule that it does not understand', async () => {
    const other = structuredClone(crd) as {
      metadata: { name: string };
      spec: { group: string; versions: { schema: { openAPIV3Schema: object } }[] };
    };
    other.metadata.name = 'others.example.com';
    other.spec.versions[0]!.schema.openAPIV3Schema = {
      type: 'object',
      'x-kubernetes-validations': [{ rule: 'size(self) < 3' }],
    };
    expect(await call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', other)).toMatchObject({
      code: 422,
      body: { message: expect.stringContaining('self == oldSelf') },
    });
  });

  it('answers loopback names alone', async () => {
    const { request: send } = await import('node:http');
    const { port } = new URL(server.url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      send({ host: '127.0.0.1', port, path: '/version', headers: { host: 'evil.example.com' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });
});
