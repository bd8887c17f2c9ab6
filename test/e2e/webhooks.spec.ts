import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const fixtures = join(__dirname, '../fixtures/alertmanager');
const firing = (labels: Record<string, string>, more: object = {}) => ({ status: 'firing', labels, ...more });
const pod = (name: string, alertname = 'PodDown') => firing({ alertname, namespace: 'test', pod: name });
const webhook = (...alerts: object[]) => ({ version: '4', receiver: 'gateway', alerts });

describe('webhooks', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
  });
  afterEach(() => gateway.close());

  it.each([1, 2, 50, 1000])('makes a request of each of %i alerts', async (count) => {
    const alerts = Array.from({ length: count }, (_, i) => pod(`pod-${i}`));
    const { status, body } = await gateway.post(webhook(...alerts));
    expect(status).toBe(201);
    expect(await gateway.requests()).toHaveLength(count);
    const again = await gateway.post(webhook(...alerts));
    expect(again.status).toBe(202);
    expect(await gateway.requests()).toHaveLength(count);
    expect(count === 1 ? body.status : body.summary.created).toBe(count === 1 ? 'created' : count);
  });

  it.each([0, 1, 2])('processes the siblings of a bad alert at position %i', async (position) => {
    const alerts: object[] = [pod('a'), pod('b')];
    alerts.splice(position, 0, { labels: { namespace: 'test' } });
    const { status, body } = await gateway.post(webhook(...alerts));
    expect(status).toBe(201);
    expect(body.results.map((result: { status: string }) => result.status)).toEqual(
      alerts.map((_, i) => (i === position ? 'rejected' : 'created')),
    );
    expect(body.results[position]).toEqual({
      status: 'rejected',
      reason: 'invalid',
      details: ['alertname is required'],
    });
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({ level: 'error', msg: 'signal processed', outcome: 'rejected' }),
    );
  });

  it('refuses a webhook of which every alert is invalid, with a result for each', async () => {
    const { status, body } = await gateway.post(webhook({ labels: {} }, { labels: 7 }));
    expect(status).toBe(400);
    expect(body).toMatchObject({
      type: 'https://kubernaut.io/problems/validation-error',
      summary: { received: 2, rejected: 2, created: 0 },
      results: [{ status: 'rejected' }, { status: 'rejected' }],
      details: {
        validation_errors: [
          'alerts[0]: alertname is required',
          'alerts[1]: labels must be an object',
          'alerts[1]: alertname is required',
        ],
      },
    });
  });

  it('counts an alert that stands twice in one webhook once', async () => {
    const { status, body } = await gateway.post(webhook(pod('a'), pod('a')));
    expect(status).toBe(201);
    expect(body.summary).toMatchObject({ received: 2, created: 1, duplicate: 1 });
    expect(body.results[1]).toMatchObject({ status: 'duplicate', reason: 'same_webhook' });
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('makes ten requests of a group that grows one by one', async () => {
    for (let size = 1; size <= 10; size++)
      await gateway.post(webhook(...Array.from({ length: size }, (_, i) => pod(`pod-${i}`))));
    expect(await gateway.requests()).toHaveLength(10);
    expect(await gateway.post(webhook(pod('pod-0')))).toMatchObject({ status: 202, body: { metadata: { count: 11 } } });
  });

  it('makes one request of 100 sightings, and of 50 at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.post(webhook(pod('busy')))));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(49);
    for (let i = 0; i < 49; i++) await gateway.post(webhook(pod('busy')));
    expect(await gateway.post(webhook(pod('busy')))).toMatchObject({ body: { metadata: { count: 100 } } });
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('answers a resolved alert without creating anything', async () => {
    const resolved = { ...pod('a'), status: 'resolved', endsAt: '2026-01-01T00:00:00Z' };
    expect(await gateway.post(webhook(resolved))).toMatchObject({
      status: 202,
      body: { status: 'resolved', reason: 'no_request' },
    });
    expect(await gateway.requests()).toHaveLength(0);
    const created = await gateway.post(webhook(pod('a')));
    expect(await gateway.post(webhook(resolved))).toMatchObject({
      status: 202,
      body: { status: 'resolved', reason: 'resolved', remediation_request_name: created.body.remediation_request_name },
    });
    expect(await gateway.post(webhook(resolved, pod('a')))).toMatchObject({
      status: 202,
      body: { results: [{ status: 'resolved', reason: 'still_firing' }, { status: 'duplicate' }] },
    });
  });

  it('opens the next generation after a request is over and cooled down', async () => {
    await gateway.close();
    gateway = await startTestGateway({ deduplication: { ttl: '1s', cooldown: '1s' } });
    const first = await gateway.post(webhook(pod('a')));
    const path = `/apis/remediation.kubernaut.io/v1/namespaces/test/remediationrequests/${first.body.remediation_request_name as string}/status`;
    const status = { overallPhase: 'Completed', completionTime: new Date().toISOString() };
    await gateway.kubernetes('PATCH', path, { status }, 'application/merge-patch+json');
    await eventually(async () => {
      const again = await gateway.post(webhook(pod('a')));
      expect(again).toMatchObject({ status: 201, body: { reason: 'next_generation' } });
      expect(again.body.remediation_request_name).toBe(`${first.body.remediation_request_name as string}-2`);
    });
    expect((await gateway.requests()).map(({ spec }) => spec.generation)).toEqual([1, 2]);
  });

  it('opens a new request after the old one was deleted', async () => {
    const { body } = await gateway.post(webhook(pod('a')));
    await gateway.kubernetes(
      'DELETE',
      `/apis/remediation.kubernaut.io/v1/namespaces/test/remediationrequests/${body.remediation_request_name as string}`,
    );
    await eventually(async () => expect((await gateway.post(webhook(pod('a')))).status).toBe(201));
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('puts signals of unknown namespaces, and of none, into the fallback namespace', async () => {
    await gateway.post(
      webhook(firing({ alertname: 'A', namespace: 'nobody-knows', pod: 'a' }), firing({ alertname: 'B' })),
    );
    const requests = await gateway.requests();
    expect(requests.map(({ metadata }) => metadata.namespace)).toEqual(['kubernaut-system', 'kubernaut-system']);
    expect(requests.map(({ spec }) => spec.resource)).toEqual([
      { kind: 'Pod', name: 'a', apiVersion: 'v1', namespace: 'nobody-knows' },
      { kind: 'Unknown', name: 'unknown' },
    ]);
  });

  it('sets the heartbeat and creates nothing for the Watchdog', async () => {
    const { status, body } = await gateway.post(readFileSync(join(fixtures, 'v0.25-watchdog.json'), 'utf8'));
    expect([status, body.status]).toEqual([202, 'heartbeat']);
    expect(await gateway.requests()).toHaveLength(0);
    expect(await gateway.metric('gateway_heartbeat_timestamp_seconds', { source: 'prometheus' })).toBeGreaterThan(
      1_700_000_000,
    );
  });

  it('counts and logs what the sender left out', async () => {
    const before = await gateway.metric('gateway_signals_truncated_total', { source: 'prometheus' });
    await gateway.post(readFileSync(join(fixtures, 'v0.25-truncated.json'), 'utf8'));
    expect((await gateway.metric('gateway_signals_truncated_total', { source: 'prometheus' })) - before).toBe(1);
    expect(gateway.logged).toContainEqual(expect.objectContaining({ level: 'error', truncated: 1 }));
  });

  it('finds the node behind the exporter that saw it', async () => {
    await gateway.post(readFileSync(join(fixtures, 'v0.25-node-not-ready-seen-by-kube-state-metrics.json'), 'utf8'));
    const [request] = await gateway.requests();
    expect(request!.spec.resource).toEqual({ kind: 'Node', name: 'worker-3', apiVersion: 'v1' });
  });

  it.each(readdirSync(fixtures).filter((file) => file.endsWith('.json')))(
    'accepts %s as a real Alertmanager sent it',
    async (file) => {
      const body = readFileSync(join(fixtures, file), 'utf8');
      const { status } = await gateway.post(body);
      expect([201, 202]).toContain(status);
      const { alerts } = JSON.parse(body) as { alerts: { status: string; labels: Record<string, string> }[] };
      const expected = alerts.filter((alert) => alert.status === 'firing' && alert.labels.alertname !== 'Watchdog');
      expect(new Set((await gateway.requests()).map(({ spec }) => spec.fingerprint)).size).toBe(
        (await gateway.requests()).length,
      );
      expect((await gateway.requests()).length).toBeLessThanOrEqual(expected.length);
    },
  );

  it('accepts the keys of newer Alertmanagers, and any other', async () => {
    const { status } = await gateway.post({
      ...webhook({ ...pod('new'), somethingNew: { deep: [1] } }),
      notification_reason: 'firing',
      routeLabels: { team: 'a' },
      groupLabels: null,
      truncatedAlerts: null,
    });
    expect(status).toBe(201);
  });

  it('follows the environment of the namespace and of the overrides within a second', async () => {
    const environmentOf = async (name: string) => (await gateway.post(webhook(pod(name)))).body.environment as string;
    expect(await environmentOf('one')).toBe('unknown');
    await gateway.kubernetes(
      'PATCH',
      '/api/v1/namespaces/test',
      { metadata: { labels: { environment: 'QA-eu' } } },
      'application/merge-patch+json',
    );
    await eventually(async () => expect(await environmentOf(`two-${Math.random()}`)).toBe('qa-eu'));
    await gateway.kubernetes('POST', '/api/v1/namespaces/kubernaut-system/configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kubernaut-environment-overrides' },
      data: { test: 'canary' },
    });
    await eventually(async () => expect(await environmentOf(`three-${Math.random()}`)).toBe('canary'));
  });

  it('counts what it does', async () => {
    const created = { environment: 'production', priority: 'P2' };
    const before = [
      await gateway.metric('gateway_remediation_requests_created_total', created),
      await gateway.metric('gateway_signals_deduplicated_total', { source: 'prometheus' }),
      await gateway.metric('gateway_http_requests_total', { route: '/api/v1/signals/prometheus', status: '201' }),
    ];
    const alert = firing({ alertname: 'Counted', severity: 'warning', namespace: 'prod-payment-service', pod: 'a' });
    await gateway.post(webhook(alert));
    await gateway.post(webhook(alert));
    const after = [
      await gateway.metric('gateway_remediation_requests_created_total', created),
      await gateway.metric('gateway_signals_deduplicated_total', { source: 'prometheus' }),
      await gateway.metric('gateway_http_requests_total', { route: '/api/v1/signals/prometheus', status: '201' }),
    ];
    expect(after.map((value, i) => value - before[i]!)).toEqual([1, 1, 1]);
  });

  it('keeps webhooks that come together apart: each has an answer and lines of its own', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `together-${i}`);
    const answers = await Promise.all(
      names.map((name) => gateway.post(webhook(pod(name)), { headers: { 'x-request-id': name } })),
    );
    expect(answers.map(({ status, headers }) => [status, headers.get('x-request-id')])).toEqual(
      names.map((name) => [201, name]),
    );
    const requestOf = (i: number) => answers[i]!.body.remediation_request_name as string;
    for (const [i, name] of names.entries())
      expect(gateway.logged.filter(({ request_id }) => request_id === name)).toEqual([
        expect.objectContaining({ msg: 'signal processed', remediation_request: `test/${requestOf(i)}` }),
        expect.objectContaining({ msg: 'request served', status: 201 }),
      ]);
  });

  it('writes one line a request and one a decision, with the request id and the source in each', async () => {
    await gateway.post(webhook(pod('logged')), { headers: { 'x-request-id': 'follow-me' } });
    const lines = gateway.logged.filter(({ request_id }) => request_id === 'follow-me');
    expect(lines.map(({ source }) => source)).toEqual(['prometheus', 'prometheus']);
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'signal processed',
        outcome: 'created',
        reason: 'new',
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
        remediation_request: expect.stringMatching(/^test\/remediation-poddown-/),
        environment: 'unknown',
        priority: 'P3',
        client_ip: '127.0.0.1',
        caller: 'system:serviceaccount:monitoring:alertmanager',
      }),
      expect.objectContaining({
        msg: 'request served',
        method: 'POST',
        route: '/api/v1/signals/prometheus',
        status: 201,
        received: 1,
        created: 1,
      }),
    ]);
  });
});
