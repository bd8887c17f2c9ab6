import { Alertmanager } from '../support/alertmanager';
import { eventually } from '../support/eventually';
import { RedisServer } from '../support/redis-server';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { firing, resolved, webhook } from '../support/webhook';

/** As senders and operators see them, by the default settings. */
describe('a storm of alerts', () => {
  let gateway: TestGateway;
  const start = async (settings: Record<string, object> = {}) => {
    gateway = await startTestGateway({ storm_detection: {}, ...settings });
  };
  afterEach(() => gateway.close());

  const labels = (i: number) => ({
    alertname: 'PodCrashLooping',
    namespace: 'prod-payment-service',
    pod: `payment-api-7f9c${i}-x2x${i}`,
    container: 'app',
    severity: 'critical',
  });
  const alert = (i: number) => firing(labels(i));
  const storms = async () => (await gateway.requests()).filter(({ spec }) => spec.storm?.isStorm);
  const storm = async () => (await storms())[0];

  it('of 500 pods is one request, that counts them all', async () => {
    await start();
    const answers: { status: number; body: { status: string } }[] = [];
    for (let i = 0; i < 500; i += 20)
      answers.push(...(await Promise.all(Array.from({ length: 20 }, (_, k) => gateway.post(webhook(alert(i + k)))))));
    const counts = new Map<string, number>();
    for (const { body } of answers) counts.set(body.status, (counts.get(body.status) ?? 0) + 1);
    // Five before the sixth is too many of one pattern, and the request of the storm.
    expect(Object.fromEntries(counts)).toEqual({ created: 6, storm_aggregated: 494 });
    expect(await gateway.requests()).toHaveLength(6);
    const request = (await storm())!;
    expect(request.status?.storm).toMatchObject({ type: 'pattern', alertCount: 495, totalAffectedResources: 495 });
    expect(request.status?.storm?.affectedResources).toHaveLength(100);
    expect(request.status?.storm?.precededBy).toHaveLength(5);

    // They are sent again by the group, and all of them are known.
    const again = await gateway.post(webhook(...Array.from({ length: 500 }, (_, i) => alert(i))));
    expect(again).toMatchObject({ status: 202, body: { summary: { duplicate: 500 } } });
    expect(await gateway.requests()).toHaveLength(6);
    expect((await storm())?.status?.storm).toMatchObject({ alertCount: 495 });
    expect(await gateway.metric('gateway_storms_detected_total', { type: 'pattern' })).toBeGreaterThan(0);
    expect(gateway.logged.map(({ msg }) => msg)).toContain(
      'storm detected for pattern: namespace=prod-payment-service alertname=PodCrashLooping',
    );
  });

  it('is told to its senders in the shape of the contract', async () => {
    await start();
    const { status, body } = await gateway.post(webhook(...Array.from({ length: 8 }, (_, i) => alert(i))));
    expect([status, body.summary]).toEqual([
      201,
      {
        received: 8,
        created: 6,
        duplicate: 0,
        storm_aggregated: 2,
        resolved: 0,
        heartbeat: 0,
        ignored: 0,
        rejected: 0,
        failed: 0,
      },
    ]);
    const metadata = {
      type: 'pattern',
      pattern: 'namespace=prod-payment-service alertname=PodCrashLooping',
      alert_count: 3,
      affected_resources: [5, 6, 7].map((i) => `prod-payment-service/Pod/payment-api-7f9c${i}-x2x${i}`),
      total_affected_resources: 3,
      aggregation_window: '1m',
    };
    const { name, namespace } = (await storm())!.metadata;
    expect(body.results[4]).toMatchObject({ status: 'created', storm_aggregation: false });
    expect(body.results[5]).toMatchObject({
      status: 'created',
      remediation_request_name: name,
      namespace,
      environment: 'production',
      priority: 'P1',
      duplicate: false,
      storm_aggregation: true,
      storm_metadata: metadata,
    });
    expect(body.results[6]).toEqual({
      status: 'storm_aggregated',
      storm_aggregation: true,
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      remediation_request_name: name,
      namespace,
      storm_metadata: metadata,
      reason: 'storm_member',
    });
  });

  it('is over when each of its alerts has resolved', async () => {
    await start();
    const all = Array.from({ length: 30 }, (_, i) => i);
    await gateway.post(webhook(...all.map(alert)));
    await gateway.post(webhook(...all.slice(0, 20).map((i) => resolved(labels(i)))));
    expect((await storm())?.status).toMatchObject({ storm: { alertCount: 25, resolvedCount: 15 } });
    const { body } = await gateway.post(webhook(...all.map((i) => resolved(labels(i)))));
    expect(body.summary).toMatchObject({ resolved: 30 });
    expect((await storm())?.status).toMatchObject({ storm: { resolvedCount: 25 }, signal: { state: 'Resolved' } });
  });

  it('of two namespaces is two; one that is excluded has none', async () => {
    await start({ storm_detection: { exclude_namespaces: ['test'] } });
    const inNamespace = (namespace: string) =>
      Array.from({ length: 20 }, (_, i) => firing({ ...labels(i), namespace }));
    await gateway.post(webhook(...['prod-payment-service', 'staging-checkout', 'test'].flatMap(inNamespace)));
    expect((await storms()).map(({ metadata }) => metadata.namespace).sort()).toEqual([
      'prod-payment-service',
      'staging-checkout',
    ]);
    const inTest = (await gateway.requests()).filter(({ metadata }) => metadata.namespace === 'test');
    expect(inTest).toHaveLength(20);
  });

  it('by the groups of a real Alertmanager is one as well, from the first alert to the last that resolves', async () => {
    const redis = await RedisServer.start();
    await start({ redis: { addr: redis.addr } });
    const alertmanager = await Alertmanager.start({
      webhookUrl: `${gateway.url}/api/v1/signals/prometheus`,
      token: gateway.token,
      sendResolved: true,
    });
    try {
      await eventually(async () =>
        expect(await (await fetch(`${gateway.url}/ready`)).text()).toContain('"redis":{"status":"up"}'),
      );
      const alerts = Array.from({ length: 200 }, (_, i) => ({ labels: labels(i) }));
      await alertmanager.push(alerts);
      await eventually(async () =>
        expect((await storm())?.status?.storm).toMatchObject({ alertCount: 195, totalAffectedResources: 195 }),
      );
      expect(await gateway.requests()).toHaveLength(6);
      expect(await alertmanager.notifications()).toMatchObject({ failed: 0 });

      await alertmanager.push(alerts.map((one) => ({ ...one, endsAt: new Date().toISOString() })));
      await eventually(async () =>
        expect((await storm())?.status).toMatchObject({ storm: { resolvedCount: 195 }, signal: { state: 'Resolved' } }),
      );
    } finally {
      await alertmanager.stop();
      await redis.stop();
    }
  }, 60_000);
});
