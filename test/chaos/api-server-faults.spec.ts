import pino, { type Logger } from 'pino';
import type { Gateway } from '../../src/gateway';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster, startGatewayOn, untilReady } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi, statusFault, type Fault } from '../support/faulty-api';
import { postWebhook, requestsNamed, sender } from '../support/sender';
import { silentLogger } from '../support/test-gateway';
import { firing, resolved, webhook } from '../support/webhook';

const creates = { method: 'POST', path: /\/remediationrequests\?fieldValidation=Strict$/ };
const patches = { method: 'PATCH', path: /\/status$/ };
const lists = { method: 'GET', path: /limit=/ };
const tokenReviews = { method: 'POST', path: /tokenreviews/ };
const accessReviews = { method: 'POST', path: /\/subjectaccessreviews/ };
const anyCall = {};

/** A gateway whose API server has trouble. Whatever it is: an answer within 5 s, nothing lost, nothing doubled. */
describe('while the API server has trouble, the gateway', () => {
  let server: KubernetesApiServer;
  let api: FaultyApi;
  let gateway: Gateway;
  const logged: Record<string, unknown>[] = [];

  beforeEach(async () => {
    server = await startCluster([sender, { ...sender, token: 'other' }]);
    api = await FaultyApi.start(server.url);
    logged.length = 0;
    const logger = pino(
      { level: 'info' },
      { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    );
    gateway = await start(logger);
    // The caller is known and may send: what goes wrong after this is not about that.
    await post(webhook(firing({ alertname: 'Before', namespace: 'test' })));
    api.calls.length = 0;
  });
  afterEach(async () => {
    await gateway.close();
    await api.close();
    await server.close();
  });

  async function start(logger: Logger): Promise<Gateway> {
    const started = await startGatewayOn(api.url, { metrics: { listen_addr: '127.0.0.1:0' } }, logger);
    await untilReady(started);
    return started;
  }

  async function post(body: object, token?: string) {
    const begin = performance.now();
    const answer = await postWebhook(gateway.url, body, token);
    expect(performance.now() - begin).toBeLessThan(5_000);
    return answer;
  }
  const alert = (pod = 'a', namespace = 'test') => firing({ alertname: 'Trouble', namespace, pod });
  const signal = webhook(alert());
  const requests = () => requestsNamed(server.url, 'Trouble');
  /** The sender's next try, and the one after it. */
  const takenOnce = async () => {
    await eventually(async () => expect((await post(signal)).status).toBeLessThan(300));
    expect(await post(signal)).toMatchObject({ status: 202, body: { status: 'duplicate' } });
    expect(await requests()).toHaveLength(1);
  };
  const circuit = async () =>
    /^gateway_circuit_breaker_state\{dependency="kubernetes"\} (\d)$/m.exec(
      await (await fetch(gateway.metricsUrl ?? '')).text(),
    )?.[1];
  const again = async (what: object) => {
    const { status, headers, body } = await post(signal);
    expect([status, headers.get('retry-after')]).toEqual([503, '5']);
    expect(body).toMatchObject(what);
  };

  it.each<[string, Fault]>([
    ['429 for a second', statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '1' })],
    ['429 of Priority and Fairness, which is plain text', { status: 429, headers: { 'retry-after': '1' } }],
    ['500', statusFault(500, { reason: 'InternalError' })],
    ['503', statusFault(503, { reason: 'ServiceUnavailable' })],
    ['504 of something in between', { status: 504 }],
    ['a connection that breaks', 'reset'],
    ['no answer to one call', 'hang'],
    ['a slow answer', { delayMs: 300 }],
    ['a create that was done and not answered', 'lose-answer'],
    ['401, as while our token is being renewed', statusFault(401, { reason: 'Unauthorized' })],
  ])('takes a signal all the same: %s', async (_, fault) => {
    api.fail(creates, fault);
    expect(await post(signal)).toMatchObject({ status: 201, body: { status: 'created' } });
    expect(await requests()).toHaveLength(1);
    await takenOnce();
  });

  it('does not wait for a 429 that lasts longer than an answer may take', async () => {
    api.fail(creates, statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '10' }), 9);
    await again({ details: { reasons: ['kubernetes_overloaded'] } });
    expect(api.count(creates)).toBe(1);
    expect(await circuit()).toBe('0');
    api.heal();
    await takenOnce();
  });

  it.each<[string, Fault]>([
    ['a create that hangs', 'hang'],
    ['creates that fail', statusFault(500, { reason: 'InternalError' })],
    ['connections that break', 'reset'],
    ['creates that are done and never answered', 'lose-answer'],
  ])('asks to be sent again when repeating does not help: %s', async (_, fault) => {
    api.fail(creates, fault, 99);
    expect((await post(signal)).status).toBe(503);
    api.heal();
    await takenOnce();
  });

  it('stops calling a server that does not answer, tries one call after a while, and goes on by itself', async () => {
    api.fail(anyCall, statusFault(500, { reason: 'InternalError' }), 1_000);
    await eventually(async () => {
      expect((await post(signal)).status).toBe(503);
      expect(await circuit()).toBe('1');
    });
    const calls = api.calls.length;
    for (let i = 0; i < 20; i++) expect((await post(webhook(alert(`p${i}`)))).status).toBe(503);
    expect(api.calls.length - calls).toBeLessThan(10);
    expect((await (await fetch(`${gateway.url}/ready`)).json()) as object).toMatchObject({
      details: { kubernetes: { status: 'degraded' } },
    });
    // What has a request is still known.
    expect((await post(webhook(firing({ alertname: 'Before', namespace: 'test' })))).status).toBe(202);
    const told = (msg: string) => logged.filter((line) => line.msg === msg);
    expect(told('the API server does not answer: calls are suspended')).toHaveLength(1);

    api.heal();
    await eventually(async () => expect(await circuit()).toBe('0'));
    await takenOnce();
    expect(told('the API server answers again')).toHaveLength(1);
  });

  it('loses nothing while the server is gone', async () => {
    await api.down();
    expect((await post(signal)).status).toBe(503);
    await api.up();
    await takenOnce();
  });

  it.each<[string, Fault, string]>([
    ['its permissions', statusFault(403, { reason: 'Forbidden', message: 'cannot create' }), 'kubernetes_forbidden'],
    [
      'a quota',
      statusFault(403, { reason: 'Forbidden', message: 'exceeded quota: requests, requested: 1' }),
      'quota_exceeded',
    ],
    ['a CRD that is missing', statusFault(404, { reason: 'NotFound', details: {} }), 'crd_unusable'],
    [
      'a CRD that is too old',
      statusFault(400, { reason: 'BadRequest', message: 'strict decoding error: unknown field "spec.x"' }),
      'crd_unusable',
    ],
    [
      'an admission webhook that is down',
      statusFault(500, { reason: 'InternalError', message: 'failed calling webhook "x.example.com": EOF' }),
      'admission_webhook_unavailable',
    ],
    ['its own token', statusFault(401, { reason: 'Unauthorized' }), 'kubernetes_unauthenticated'],
  ])('asks to be sent again what an operator can heal: %s', async (_, fault, reason) => {
    api.fail(creates, fault, 99);
    await again({ details: { reasons: [reason] } });
    expect(await circuit()).toBe('0');
    api.heal();
    await takenOnce();
  });

  it.each<[string, Fault, string]>([
    [
      'a webhook denies it',
      statusFault(403, { message: 'admission webhook "x.example.com" denied the request: no' }),
      'denied',
    ],
    ['it is invalid', statusFault(422, { reason: 'Invalid', message: 'spec.a: Invalid value' }), 'invalid_object'],
  ])('refuses for good what no retry can heal, and harms no other alert: %s', async (_, fault, reason) => {
    api.fail({ ...creates, path: /\/prod-payment-service\/remediationrequests\?fieldValidation=Strict$/ }, fault, 99);
    const refused = alert('refused', 'prod-payment-service');
    expect(await post(webhook(alert(), refused, alert('b')))).toMatchObject({
      status: 201,
      body: { results: [{ status: 'created' }, { status: 'rejected', reason }, { status: 'created' }] },
    });
    expect((await post(webhook(refused))).status).toBe(400);
    expect(await requests()).toHaveLength(2);
  });

  it.each<[string, Fault]>([
    ['absent', statusFault(404, { reason: 'NotFound', details: { name: 'test', kind: 'namespaces' } })],
    [
      'terminating',
      statusFault(403, { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } }),
    ],
  ])('puts the request into its own namespace when that of the signal is %s', async (_, fault) => {
    api.fail({ ...creates, path: /\/namespaces\/test\/remediationrequests\?fieldValidation=Strict$/ }, fault, 99);
    expect(await post(signal)).toMatchObject({ status: 201, body: { namespace: 'kubernaut-system' } });
    await takenOnce();
  });

  describe('and a caller is not known yet', () => {
    it.each<[string, Fault]>([
      ['500', statusFault(500, { reason: 'InternalError' })],
      ['429', statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '10' })],
      ['no answer', 'hang'],
      ['403', statusFault(403, { reason: 'Forbidden' })],
    ])('neither lets it in nor remembers anything of it: %s', async (_, fault) => {
      api.fail(tokenReviews, fault, 3);
      const { status, body } = await post(signal, 'other');
      expect([status, body.type]).toEqual([503, 'https://kubernaut.io/problems/authentication-unavailable']);
      api.heal();
      await eventually(async () => expect((await post(signal, 'other')).status).toBeLessThan(300));
      expect(await requests()).toHaveLength(1);
    });

    it.each<[string, Fault]>([
      ['500', statusFault(500, { reason: 'InternalError' })],
      ['429', statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '10' })],
      ['403', statusFault(403, { reason: 'Forbidden' })],
    ])('neither allows nor refuses what it may send: %s', async (_, fault) => {
      api.fail(accessReviews, fault, 3);
      // A gateway that has not asked about this caller yet.
      await gateway.close();
      gateway = await start(silentLogger());
      await again({ details: { reasons: ['authorization_unavailable'] } });
      expect(await requests()).toEqual([]);
      api.heal();
      await takenOnce();
    });
  });

  describe('and a request exists', () => {
    const over = webhook(resolved({ alertname: 'Trouble', namespace: 'test', pod: 'a' }));
    const state = async () => (await requests())[0]?.status?.signal?.state;
    beforeEach(async () => {
      expect((await post(signal)).status).toBe(201);
    });

    it.each<[string, Fault]>([
      ['500', statusFault(500, { reason: 'InternalError' })],
      ['a connection that breaks', 'reset'],
      ['a patch that was done and not answered', 'lose-answer'],
      ['somebody else who writes at the same time', statusFault(409, { reason: 'Conflict' })],
    ])('writes that it resolved all the same: %s', async (_, fault) => {
      api.fail(patches, fault);
      expect(await post(over)).toMatchObject({ status: 202, body: { reason: 'resolved' } });
      expect(await state()).toBe('Resolved');
    });

    it('asks to be sent again what could not be written', async () => {
      api.fail(patches, statusFault(403, { reason: 'Forbidden' }), 99);
      expect((await post(over)).status).toBe(503);
      api.heal();
      expect(await post(over)).toMatchObject({ status: 202, body: { reason: 'resolved' } });
      expect(await state()).toBe('Resolved');
    });

    it('counts what was sent while counts could not be written', async () => {
      api.fail(patches, statusFault(500, { reason: 'InternalError' }), 3);
      for (let i = 0; i < 5; i++) expect((await post(signal)).status).toBe(202);
      await eventually(async () => expect((await requests())[0]?.status?.deduplication?.occurrenceCount).toBe(6));
    });
  });

  describe('and its watches break', () => {
    const setEnvironment = async (environment: string) => {
      await fetch(`${server.url}/api/v1/namespaces/test`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/merge-patch+json' },
        body: JSON.stringify({ metadata: { labels: { environment } } }),
      });
    };
    /** That of a new request. */
    const environmentNow = async () => (await post(webhook(alert(`${Math.random()}`)))).body.environment as string;

    it('goes on after a reset', async () => {
      api.breakWatches();
      await setEnvironment('after-reset');
      await eventually(async () => expect(await environmentNow()).toBe('after-reset'));
    });

    it('goes on after a 410', async () => {
      api.fail({ method: 'GET', path: /watch=true/ }, statusFault(410, { reason: 'Expired' }), 3);
      api.breakWatches();
      await setEnvironment('after-410');
      await eventually(async () => expect(await environmentNow()).toBe('after-410'));
      expect(api.count(lists)).toBeGreaterThan(0);
    });

    it('goes on when lists fail as well for a while', async () => {
      api.fail({ method: 'GET', path: /watch=true/ }, statusFault(410, { reason: 'Expired' }), 3);
      api.fail(lists, statusFault(500, { reason: 'InternalError' }), 4);
      api.breakWatches();
      await setEnvironment('after-lists');
      await eventually(async () => expect(await environmentNow()).toBe('after-lists'));
    });
  });
});
