import { request as send } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import type { KubernetesObject } from '../../src/standalone/api-server/kubernetes-object';
import { HttpApi, type WatchEvent } from '../support/api-under-test';
import { FakeClock } from '../support/fake-clock';

/** Where the API server of standalone mode knows less than a real one, or does what there takes a controller or time. */
describe('the Kubernetes API of standalone mode alone', () => {
  const crd = parse(
    readFileSync(
      join(__dirname, '../../charts/kubernaut-gateway/crds/remediation.kubernaut.io_remediationrequests.yaml'),
      'utf8',
    ),
  ) as KubernetesObject;
  const namespace = (name: string, metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, ...metadata },
  });
  const configMaps = '/api/v1/namespaces/test/configmaps';
  const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  const clock = new FakeClock();

  let server: KubernetesApiServer;
  let api: HttpApi;
  beforeAll(async () => {
    server = await startKubernetesApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      clock,
      tokens: [
        { token: 'good', username: 'system:serviceaccount:a:b', groups: ['g'] },
        { token: 'bound', username: 'c', audiences: ['x', 'y'] },
      ],
      objects: [
        crd,
        namespace('test'),
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sender', namespace: 'test' } },
      ],
    });
    api = new HttpApi(server.url);
  });
  afterAll(async () => {
    await api.close();
    await server.close();
  });

  const merge = (path: string, patch: object) =>
    api.call('PATCH', path, patch, { contentType: 'application/merge-patch+json' });
  const review = async (token: string, ...audiences: string[]) =>
    (
      await api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences },
      })
    ).body.status;

  it('takes no server-side apply, and protobuf only of what it knows', async () => {
    const unsupported = { code: 415, body: { reason: 'UnsupportedMediaType' } };
    const path = `${configMaps}/x`;
    expect(await api.call('PATCH', path, {}, { contentType: 'application/apply-patch+yaml' })).toMatchObject(
      unsupported,
    );
    const contentType = 'application/vnd.kubernetes.protobuf';
    const lease = 'k8s\0\n\x1c\n\x16coordination.k8s.io/v1x\x12\x02xx\x12\x00';
    for (const body of ['{}', lease, 'k8s\0\n\xff', 'k8s\0\x80'])
      expect(await api.call('POST', configMaps, body, { contentType })).toMatchObject(unsupported);
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
    expect(await api.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', other)).toMatchObject({
      code: 422,
      body: { message: expect.stringContaining('self == oldSelf') },
    });
  });

  it('answers loopback names alone', async () => {
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

  it('takes a namespace away when nothing keeps it any more', async () => {
    const path = '/api/v1/namespaces/leaving';
    const held = `${path}/configmaps/held`;
    await api.call('POST', '/api/v1/namespaces', namespace('leaving', { finalizers: ['example.com/held'] }));
    await api.call('POST', `${path}/configmaps`, configMap('free'));
    const finalizers = ['example.com/held'];
    await api.call('POST', `${path}/configmaps`, { ...configMap('held'), metadata: { name: 'held', finalizers } });
    await api.call('DELETE', path);
    expect((await api.call('GET', `${path}/configmaps/free`)).code).toBe(404);
    expect((await api.call('GET', held)).body.metadata.deletionTimestamp).toBeDefined();
    await merge(path, { metadata: { finalizers: null } });
    expect((await api.call('GET', path)).body.status.phase).toBe('Terminating');
    await merge(held, { metadata: { finalizers: null } });
    expect((await api.call('GET', path)).code).toBe(404);
  });

  it('takes a CRD away when nothing keeps it any more', async () => {
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const path = `${crds}/remediationrequests.other.kubernaut.io`;
    const other = structuredClone(crd) as { metadata: object; spec: { group: string } };
    other.metadata = { name: 'remediationrequests.other.kubernaut.io', finalizers: ['example.com/held'] };
    other.spec.group = 'other.kubernaut.io';
    const things = '/apis/other.kubernaut.io/v1/namespaces/test/remediationrequests';
    const thing = (name: string, finalizers: string[]) => ({
      apiVersion: 'other.kubernaut.io/v1',
      kind: 'RemediationRequest',
      metadata: { name, finalizers },
      spec: {
        alertName: 'A',
        severity: 'info',
        priority: 'P4',
        environment: 'test',
        resource: { kind: 'Pod', name: 'a' },
        fingerprint: '0'.repeat(64),
        metadata: { source: 'prometheus' },
      },
    });
    await api.call('POST', crds, other);
    await api.call('POST', things, thing('free', []));
    await api.call('POST', things, thing('held', ['example.com/held']));
    await api.call('DELETE', path);
    expect((await api.call('GET', things)).body.items).toMatchObject([{ metadata: { name: 'held' } }]);
    expect(await api.call('POST', things, thing('late', []))).toMatchObject({
      code: 405,
      body: { message: 'create not allowed while custom resource definition is terminating' },
    });
    await merge(`${things}/held`, { metadata: { finalizers: null } });
    expect((await api.call('GET', path)).code).toBe(200);
    await merge(path, { metadata: { finalizers: ['customresourcecleanup.apiextensions.k8s.io'] } });
    expect((await api.call('GET', path)).code).toBe(404);
    expect((await api.call('GET', things)).code).toBe(404);
  });

  it('forgets what is long past, and says so', async () => {
    const { body } = await api.call('POST', configMaps, configMap('busy'));
    for (let i = 0; i < 4_100; i++) await merge(`${configMaps}/busy`, { metadata: { labels: { i: String(i) } } });
    const events: WatchEvent[] = [];
    const from = body.metadata.resourceVersion as string;
    for await (const event of api.watch(`${configMaps}?watch=true&resourceVersion=${from}`)) events.push(event);
    expect(events).toMatchObject([{ type: 'ERROR', object: { code: 410, reason: 'Expired' } }]);
  }, 60_000);

  it('cuts a watch off that is not read as fast as it is written, and goes on', async () => {
    const data = { text: 'x'.repeat(1_000_000) };
    for (let i = 0; i < 40; i++) await api.call('POST', configMaps, { ...configMap(`large-${i}`), data });
    let shown = 0;
    // All of them at once.
    for await (const { type } of api.watch(`${configMaps}?watch=true`)) if (type === 'ADDED') shown++;
    expect(shown).toBeLessThan(40);
    expect((await api.call('GET', `${configMaps}/large-39`)).code).toBe(200);
  });

  it('knows fixed tokens, for every audience or for those that they have', async () => {
    expect(await review('good', 'gateway')).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:a:b', groups: ['g', 'system:authenticated'] },
      audiences: ['gateway'],
    });
    expect(await review('bound', 'y', 'z')).toMatchObject({ authenticated: true, audiences: ['y'] });
    expect(await review('bound', 'z')).toEqual({ user: {}, error: 'invalid bearer token' });
    expect(await review('bound')).toEqual({ user: {}, error: 'invalid bearer token' });
  });

  it('believes its own tokens for as long as they were given', async () => {
    const token = await api
      .call('POST', '/api/v1/namespaces/test/serviceaccounts/sender/token', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: ['gateway'], expirationSeconds: 600 },
      })
      .then(({ body }) => body.status.token as string);
    clock.advance(599_000);
    expect(await review(token, 'gateway')).toMatchObject({ authenticated: true });
    clock.advance(1_000);
    expect(await review(token, 'gateway')).toEqual({
      user: {},
      error: '[invalid bearer token, service account token has expired]',
    });
  });
});
