import { Alertmanager, type AlertmanagerOptions, type PushedAlert } from '../support/alertmanager';
import { RedisServer } from '../support/redis-server';
import { eventually } from '../support/eventually';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const alert = (alertname: string, i: number): PushedAlert => ({
  labels: { alertname, severity: 'critical', namespace: 'prod-payment-service', pod: `payment-api-${i}` },
  annotations: { description: 'Pod using 95% memory <b>' },
  generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
});

/** A real Alertmanager posts to the gateway; its state is in a real Redis. */
describe('a real Alertmanager and a real Redis', () => {
  let redis: RedisServer;
  let gateway: TestGateway;
  let alertmanager: Alertmanager | undefined;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  beforeEach(async () => {
    await redis.flush();
    gateway = await startTestGateway({ redis: { addr: redis.addr } });
    await eventually(async () => expect((await readiness(gateway)).redis).toEqual({ status: 'up' }));
  });
  afterEach(async () => {
    await alertmanager?.stop();
    await gateway.close();
  });

  const startAlertmanager = async (options: Partial<AlertmanagerOptions> = {}) => {
    alertmanager = await Alertmanager.start({
      webhookUrl: `${gateway.url}/api/v1/signals/prometheus`,
      token: gateway.token,
      ...options,
    });
    return alertmanager;
  };
  const outcomes = (outcome: string) =>
    gateway.logged.filter((line) => line.msg === 'signal processed' && line.outcome === outcome);

  it('makes 200 requests of 200 groups of one alert', async () => {
    const sender = await startAlertmanager();
    const alerts = Array.from({ length: 200 }, (_, i) => alert('HighMemoryUsage', i));
    await sender.push(alerts);
    await eventually(async () => expect(await gateway.requests()).toHaveLength(200));

    const pods = new Set((await gateway.requests()).map(({ spec }) => spec.resource.name));
    expect(pods.size).toBe(200);
    expect(await sender.notifications()).toMatchObject({ failed: 0 });
    const [request] = await gateway.requests();
    expect(request!.spec).toMatchObject({
      environment: 'production',
      priority: 'P1',
      metadata: { source: 'prometheus', receiver: 'webhook', generatorURL: 'http://prometheus:9090/graph?g0.expr=up' },
    });
  });

  it('makes one request of each alert of a group, however often the group is sent', async () => {
    const sender = await startAlertmanager({ groupBy: ['alertname'], repeatInterval: '1s' });
    for (let size = 1; size <= 5; size++) {
      await sender.push(Array.from({ length: size }, (_, i) => alert('Grouped', i)));
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await eventually(async () => expect(await gateway.requests()).toHaveLength(5));
    await eventually(() => {
      expect(outcomes('duplicate').length).toBeGreaterThanOrEqual(10);
    });
    expect(await gateway.requests()).toHaveLength(5);
    expect(await sender.notifications()).toMatchObject({ failed: 0 });
  });

  it('hears that an alert is over, and that it fires again', async () => {
    const sender = await startAlertmanager();
    await sender.push([alert('Flapping', 1)]);
    await eventually(() => {
      expect(outcomes('created')).toHaveLength(1);
    });
    await sender.resolve([alert('Flapping', 1)]);
    await eventually(() => {
      expect(outcomes('resolved')).toHaveLength(1);
    });
    expect(outcomes('resolved')[0]).toMatchObject({
      reason: 'resolved',
      remediation_request: outcomes('created')[0]!.remediation_request,
    });
    await sender.push([{ ...alert('Flapping', 1), startsAt: new Date().toISOString() }]);
    await eventually(() => {
      expect(outcomes('duplicate').length).toBeGreaterThanOrEqual(1);
    });
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('hears of alerts that max_alerts left out', async () => {
    const sender = await startAlertmanager({ groupBy: ['alertname'], groupWait: '1s', maxAlerts: 2 });
    await sender.push(Array.from({ length: 5 }, (_, i) => alert('Many', i)));
    await eventually(() => {
      expect(gateway.logged).toContainEqual(expect.objectContaining({ level: 'error', truncated: 3 }));
    });
    expect(await gateway.requests()).toHaveLength(2);
  });

  it('delivers everything although Redis goes away in the middle', async () => {
    const sender = await startAlertmanager({ repeatInterval: '2s' });
    await sender.push(Array.from({ length: 30 }, (_, i) => alert('Before', i)));
    await eventually(async () => expect(await gateway.requests()).toHaveLength(30));

    await redis.stop();
    await sender.push(Array.from({ length: 30 }, (_, i) => alert('After', i)));
    await eventually(async () => expect(await gateway.requests()).toHaveLength(60));
    expect((await readiness(gateway)).redis).toMatchObject({ status: 'degraded' });
    // Once that it is lost, and once why.
    const told = gateway.logged
      .map(({ msg }) => String(msg))
      .filter((msg) => msg.startsWith('failed to connect to Redis'));
    expect(told).toEqual(['connection lost', 'connection refused'].map((why) => `failed to connect to Redis: ${why}`));

    redis = await RedisServer.start({ port: Number(redis.addr.split(':')[1]) });
    await eventually(async () => expect((await readiness(gateway)).redis).toEqual({ status: 'up' }));
    await eventually(() => {
      expect(outcomes('duplicate').length).toBeGreaterThanOrEqual(60);
    });
    expect(await gateway.requests()).toHaveLength(60);
    expect(await sender.notifications()).toMatchObject({ failed: 0 });
  });

  it('delivers once the token is right', async () => {
    const sender = await startAlertmanager({ token: 'wrong' });
    await sender.push([alert('Locked', 1)]);
    await eventually(() => {
      expect(gateway.logged).toContainEqual(expect.objectContaining({ msg: 'authentication failed' }));
    });
    expect(await gateway.requests()).toHaveLength(0);
    expect(sender.log).toContain('unexpected status code 401');
  });
});

async function readiness(gateway: TestGateway): Promise<Record<string, { status: string }>> {
  const { details } = (await (await fetch(`${gateway.url}/ready`)).json()) as {
    details: Record<string, { status: string }>;
  };
  return details;
}
