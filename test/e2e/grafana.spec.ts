import { createHmac } from 'node:crypto';
import { grafanaExamples } from '../../src/adapters/grafana/grafana.examples';
import { effectiveConfig } from '../../src/config/effective-config';
import { loadConfig } from '../../src/config/load-config';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const path = '/api/v1/signals/grafana';
const secret = 'the secret of the contact point';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const { firing, noData } = grafanaExamples;
const webhook = (pod: string, namespace = 'test', more: object = {}) => ({
  version: '1',
  alerts: [{ status: 'firing', labels: { alertname: 'FromGrafana', namespace, pod }, ...more }],
});

describe('webhooks of Grafana', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ adapters: { grafana: { enabled: true } } });
  });
  afterAll(() => gateway.close());
  const post = (body: object) => gateway.post(body, { path });
  const requestOf = async (alertName: string) =>
    (await gateway.requests()).find(({ spec }) => spec.alertName === alertName);

  it('become requests with the links of Grafana, once', async () => {
    expect(await post(firing.value)).toMatchObject({
      status: 201,
      body: { status: 'created', namespace: 'staging-checkout', environment: 'staging', priority: 'P3' },
    });
    expect((await post(firing.value)).body.status).toBe('duplicate');
    const [alert] = firing.value.alerts;
    expect((await requestOf('HighLatency'))?.spec.metadata).toEqual({
      source: 'grafana',
      externalURL: 'https://grafana.example.com/',
      receiver: 'kubernaut-gateway',
      groupKey: firing.value.groupKey,
      generatorURL: alert?.generatorURL,
      dashboardURL: alert?.dashboardURL,
      panelURL: alert?.panelURL,
      silenceURL: alert?.silenceURL,
    });
    const resolved = { ...firing.value, alerts: [{ ...alert, status: 'resolved', endsAt: new Date().toISOString() }] };
    expect((await post(resolved)).body).toMatchObject({ status: 'resolved', reason: 'resolved' });
  });

  it('about monitoring itself name no workload, and lie in the namespace of their rule', async () => {
    const { status, body } = await post(noData.value);
    expect([status, body.namespace, body.environment]).toEqual([201, 'staging-checkout', 'staging']);
    expect((await requestOf('DatasourceNoData'))?.spec).toMatchObject({
      resource: { kind: 'Unknown', name: 'unknown' },
      labels: { rulename: 'HighLatency', deployment: 'checkout' },
    });
  });

  it('are answered each on its own', async () => {
    const { status, body } = await post({ alerts: [null, ...webhook('a').alerts, ...webhook('a').alerts] });
    expect([status, body.results.map((result: { status: string }) => result.status)]).toEqual([
      201,
      ['rejected', 'created', 'duplicate'],
    ]);
  });

  it('of Alertmanager are told where to go', async () => {
    const { status, body } = await post({ ...webhook('x'), version: '4' });
    expect([status, body.details.validation_errors]).toEqual([400, [expect.stringContaining('version must be "1"')]]);
  });

  it('are counted when the contact point left some out', async () => {
    await post({ ...webhook('truncated'), truncatedAlerts: 3 });
    expect(await gateway.metric('gateway_signals_truncated_total', { source: 'grafana' })).toBe(3);
  });

  it('stand in the API explorer where they are taken, and are 404 where they are not', async () => {
    const paths = async ({ url }: TestGateway) =>
      Object.keys(((await (await fetch(`${url}/docs/openapi.json`)).json()) as { paths: object }).paths);
    expect(await paths(gateway)).toContain(path);
    const other = await startTestGateway({ adapters: { kubernetes_event: { enabled: false } } });
    try {
      expect((await other.post(webhook('x'), { path })).status).toBe(404);
      expect((await other.post({}, { path: '/api/v1/signals/kubernetes-event' })).status).toBe(404);
      expect((await paths(other)).filter((served) => served.includes('/signals/'))).toEqual([
        '/api/v1/signals/prometheus',
      ]);
    } finally {
      await other.close();
    }
  });
});

describe('webhooks of Grafana that are signed', () => {
  let gateway: TestGateway;
  const start = async (hmac: object = {}) => {
    gateway = await startTestGateway({ adapters: { grafana: { enabled: true, hmac: { secret, ...hmac } } } });
  };
  afterEach(() => gateway.close());

  const bindSender = (namespace?: string) =>
    gateway.kubernetes(
      'POST',
      `${rbac}/${namespace ? `namespaces/${namespace}/rolebindings` : 'clusterrolebindings'}`,
      {
        metadata: { name: 'grafana-sends-signals' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'gateway-signal-sender' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'grafana' }],
      },
    );
  const hmac = (text: string, key = secret) => createHmac('sha256', key).update(text).digest('hex');
  const postSigned = async (body: string, signature = hmac(body), headers: Record<string, string> = {}) => {
    const response = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'X-Grafana-Alerting-Signature': signature, ...headers },
      body,
    });
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
    return { status: response.status, headers: response.headers, body: (await response.json()) as any };
  };
  const text = (pod: string, namespace?: string) => JSON.stringify(webhook(pod, namespace));

  it('need no token, and may send what RBAC lets their user send', async () => {
    await start();
    expect(await postSigned(text('a'))).toMatchObject({ status: 403 });
    await gateway.close();
    await start();
    await bindSender('test');
    expect(await postSigned(text('a'))).toMatchObject({ status: 201, body: { status: 'created' } });
    expect(await postSigned(text('a', 'prod-payment-service'))).toMatchObject({ status: 403 });
    expect(gateway.logged.find(({ msg, route }) => msg === 'request served' && route === path)).toMatchObject({
      caller: 'grafana',
    });
  });

  it('are refused when the signature is wrong, before anything is made of the body', async () => {
    await start();
    await bindSender();
    const wrong = await postSigned('this is not even JSON', hmac('another body'));
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(wrong.body).toMatchObject({
      type: 'https://kubernaut.io/problems/unauthenticated',
      error: expect.stringContaining('the signature does not fit the body'),
    });
    expect((await postSigned('this is not even JSON')).status).toBe(400);
    expect((await postSigned(text('a'), 'nonsense')).status).toBe(401);
    expect(await gateway.metric('gateway_authentication_total', { result: 'refused' })).toBeGreaterThanOrEqual(2);
  });

  it('beside a token must be right as well, and the token says whose they are', async () => {
    await start();
    const authorization = { authorization: `Bearer ${gateway.token}` };
    expect((await postSigned(text('a'), hmac(text('a')), authorization)).status).toBe(201);
    expect((await postSigned(text('b'), hmac('x'), authorization)).status).toBe(401);
    expect((await postSigned(text('b'), hmac(text('b')), { authorization: 'Bearer bad' })).status).toBe(401);
    // Without a signature the token is enough, and neither is not.
    expect((await gateway.post(webhook('c'), { path })).status).toBe(201);
    expect((await gateway.post(webhook('d'), { path, headers: { authorization: '' } })).status).toBe(401);
  });

  it('are refused when they are old, or without their time, where that is asked for', async () => {
    await start({ timestamp_header: 'X-Grafana-Alerting-Timestamp', replay_window: '1m' });
    await bindSender();
    const at = (seconds: number, pod: string) => {
      const when = String(Math.floor(Date.now() / 1000) + seconds);
      return postSigned(text(pod), hmac(`${when}:${text(pod)}`), { 'x-grafana-alerting-timestamp': when });
    };
    expect((await at(0, 'now')).status).toBe(201);
    expect(await at(-120, 'old')).toMatchObject({ status: 401, body: { error: expect.stringContaining('too far') } });
    expect((await at(120, 'ahead')).status).toBe(401);
    expect(await postSigned(text('timeless'))).toMatchObject({
      status: 401,
      body: { error: expect.stringContaining('X-Grafana-Alerting-Timestamp') },
    });
  });

  it('use up the limit of their address when they are wrong, and never when they are right', async () => {
    await start();
    await bindSender();
    for (const status of await Promise.all(
      Array.from({ length: 8 }, async (_, i) => (await postSigned(text(`p${i}`))).status),
    ))
      expect(status).toBe(201);
    // A known good address may send many at once.
    const many = await Promise.all(
      Array.from({ length: 30 }, async (_, i) => (await postSigned(text(`q${i}`))).status),
    );
    expect(new Set(many)).toEqual(new Set([201]));
    const wrong = [];
    for (let i = 0; i < 12; i++) wrong.push((await postSigned(text('x'), hmac('x'))).status);
    expect([wrong[0], wrong.at(-1)]).toEqual([401, 429]);
  });

  it('are taken from an address of which somebody else has used up the limit by wrong ones', async () => {
    await start();
    await bindSender();
    expect((await postSigned(text('a'))).status).toBe(201);
    const wrong = [];
    for (let i = 0; i < 12; i++) wrong.push(await postSigned(text('x'), hmac('x')));
    expect([wrong[0]?.status, wrong.at(-1)?.status]).toEqual([401, 429]);
    expect(Number(wrong.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await postSigned(text('b'))).status).toBe(201);
    const refusals = gateway.logged.filter(
      ({ msg }) => msg === 'rate limit exceeded' || msg === 'authentication failed',
    );
    expect(refusals.every(({ request_id, client_ip }) => request_id !== undefined && client_ip !== undefined)).toBe(
      true,
    );
    expect(refusals).toHaveLength(12);
  });

  it('do not open other paths, nor a request without a body', async () => {
    await start();
    await bindSender();
    const headers = { 'content-type': 'application/json', 'X-Grafana-Alerting-Signature': hmac('') };
    const { 'content-type': _, ...signature } = headers;
    const bare = [headers, signature].map((sent) => fetch(gateway.url + path, { method: 'POST', headers: sent }));
    const [empty, none] = await Promise.all(bare);
    expect([empty?.status, none?.status]).toEqual([400, 401]);
    expect(await none?.json()).toMatchObject({ error: expect.stringContaining('there is no body') as unknown });
    const body = text('a');
    const other = await fetch(`${gateway.url}/api/v1/signals/prometheus`, {
      method: 'POST',
      headers: { ...headers, 'X-Grafana-Alerting-Signature': hmac(body) },
      body,
    });
    expect(other.status).toBe(401);
    const large = `{"alerts":[],"x":"${'y'.repeat(1_100_000)}"}`;
    expect((await postSigned(large)).status).toBe(413);
  });

  it('keep their secret', async () => {
    await start();
    await postSigned(text('a'));
    await postSigned(text('a'), hmac('x'));
    const told = JSON.stringify([
      gateway.logged,
      effectiveConfig(loadConfig({ env: { GATEWAY_ADAPTERS__GRAFANA__HMAC__SECRET: secret } })),
    ]);
    expect([told.includes(secret), told.includes(hmac(text('a')))]).toEqual([false, false]);
  });
});
