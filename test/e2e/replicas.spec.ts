import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import { eventually } from '../support/eventually';
import { RedisServer } from '../support/redis-server';
import { postWebhook } from '../support/sender';
import { silentLogger, startTestGateway, type TestGateway } from '../support/test-gateway';

const webhook = (...pods: string[]) => ({
  version: '4',
  alerts: pods.map((pod) => ({ status: 'firing', labels: { alertname: 'Raced', namespace: 'test', pod } })),
});

/** Three replicas on one API server. */
describe('replicas', () => {
  let redis: RedisServer | undefined;
  let first: TestGateway;
  let others: Gateway[] = [];

  const start = async (settings: Record<string, object> = {}) => {
    first = await startTestGateway(settings);
    const config = () =>
      loadConfig({
        env: {},
        defaults: {
          redis: { addr: '' },
          storm_detection: { enabled: false },
          ...settings,
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
          metrics: { enabled: false },
        },
      });
    others = await Promise.all(
      [1, 2].map(() => startGateway({ config: config(), logger: silentLogger(), kubernetesServer: first.apiUrl })),
    );
    for (const { url } of others) await eventually(async () => expect((await fetch(`${url}/ready`)).status).toBe(200));
  };
  afterEach(async () => {
    await Promise.all(others.map((gateway) => gateway.close()));
    await first.close();
    await redis?.stop();
    redis = undefined;
  });

  const post = async (url: string, body: object, token = first.token) => (await postWebhook(url, body, token)).status;
  const urls = () => [first.url, ...others.map(({ url }) => url)];
  const race = (count: number, body: (i: number) => object) => {
    return Promise.all(Array.from({ length: count }, (_, i) => post(urls()[i % 3]!, body(i))));
  };

  it('make one request of 50 posts at once without a shared memory: the API server arbitrates', async () => {
    await start();
    const statuses = await race(50, () => webhook('a'));
    expect(new Set(statuses)).toEqual(new Set([201, 202]));
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(await first.requests()).toHaveLength(1);
  });

  it('make one request of 50 posts at once with Redis', async () => {
    redis = await RedisServer.start();
    await start({ redis: { addr: redis.addr } });
    await eventually(async () =>
      expect(await (await fetch(`${first.url}/ready`)).text()).toContain('"redis":{"status":"up"}'),
    );
    const statuses = await race(50, () => webhook('a'));
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 202)).toHaveLength(49);
    expect(await first.requests()).toHaveLength(1);
  });

  it('lose nothing and double nothing while Redis hangs in the middle', async () => {
    redis = await RedisServer.start();
    await start({ redis: { addr: redis.addr } });
    await race(9, (i) => webhook(`before-${i % 3}`));
    redis.pause();
    const statuses = await race(30, (i) => webhook(`before-${i % 3}`, `during-${i % 10}`));
    redis.resume();
    expect(statuses.every((status) => status === 201 || status === 202)).toBe(true);
    const names = (await first.requests()).map(({ spec }) => spec.resource.name).sort();
    expect(names).toEqual([
      ...Array.from({ length: 3 }, (_, i) => `before-${i}`),
      ...Array.from({ length: 10 }, (_, i) => `during-${i}`),
    ]);
  });

  describe('share their limits through Redis', () => {
    const withRedis = async (rateLimit: object) => {
      redis = await RedisServer.start();
      await start({ redis: { addr: redis.addr }, rate_limit: rateLimit });
      for (const url of urls())
        await eventually(async () =>
          expect(await (await fetch(`${url}/ready`)).text()).toContain('"redis":{"status":"up"}'),
        );
    };

    it('of addresses', async () => {
      await withRedis({});
      const statuses: number[] = [];
      for (let i = 0; i < 11; i++) statuses.push(await post(urls()[i % 3]!, webhook('a'), 'bad'));
      expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429]);
      // Each by itself again, when there is nothing to share.
      await redis?.stop();
      const alone: number[] = [];
      for (let i = 0; i < 12; i++) alone.push(await post(others[1]!.url, webhook('a'), 'bad'));
      expect(alone.filter((status) => status === 401).length).toBeGreaterThan(0);
      expect(alone.at(-1)).toBe(429);
    });

    it('of callers', async () => {
      await withRedis({ authenticated_requests_per_minute: 12 });
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await post(urls()[i]!, webhook('a')));
      expect(answers).toEqual([201, 202, 503]);
    });

    it('of namespaces: what is over is sent again, what is known goes through', async () => {
      await withRedis({ per_namespace: 2 });
      expect(await post(urls()[0]!, webhook('a'))).toBe(201);
      expect(await post(urls()[1]!, webhook('b'))).toBe(201);
      const over = await first.post(webhook('a', 'c', 'd'));
      expect(over.status).toBe(503);
      expect(over.body.results).toMatchObject([
        { status: 'duplicate' },
        { status: 'failed', reason: 'namespace_over_limit' },
        { status: 'failed', reason: 'namespace_over_limit' },
      ]);
      expect(over.headers.get('retry-after')).not.toBeNull();
      const elsewhere = {
        ...webhook('c'),
        alerts: [{ status: 'firing', labels: { alertname: 'Raced', namespace: 'staging-checkout', pod: 'c' } }],
      };
      expect(await post(urls()[2]!, elsewhere)).toBe(201);
      expect(await first.metric('gateway_rate_limited_total', { kind: 'namespace' })).toBeGreaterThan(0);
    });
  });

  it('do not wait for each other when webhooks hold the same alerts in other orders', async () => {
    await start();
    const pods = Array.from({ length: 20 }, (_, i) => `pod-${i}`);
    const statuses = await race(6, (i) => webhook(...(i % 2 === 0 ? pods : pods.toReversed())));
    expect(statuses.every((status) => status === 201 || status === 202)).toBe(true);
    expect(await first.requests()).toHaveLength(20);
  });
});
