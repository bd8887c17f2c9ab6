import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster } from '../support/a-cluster';
import { GatewayProcess } from '../support/gateway-process';
import { RedisServer } from '../support/redis-server';
import { postWebhook, requestsNamed } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const alertsPerPost = 20;

/** Three gateways share Redis and an API server. What happens in the middle of a storm changes no count. */
describe('in the middle of a storm', () => {
  let redis: RedisServer;
  let api: KubernetesApiServer;
  let gateways: GatewayProcess[];

  beforeEach(async () => {
    redis = await RedisServer.start();
    api = await startCluster();
    const settings = { storm_detection: {} };
    gateways = await Promise.all(
      [1, 2, 3].map(() => GatewayProcess.start({ api: api.url, redis: redis.addr, settings })),
    );
  }, 30_000);
  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await api.close();
    await redis.stop();
  });

  const bodies = (alertname: string, count: number) =>
    Array.from({ length: count / alertsPerPost }, (_, post) =>
      webhook(
        ...Array.from({ length: alertsPerPost }, (__, i) => {
          const labels = { alertname, namespace: 'test', pod: `pod-${post * alertsPerPost + i}`, container: 'app' };
          return firing(labels, { startsAt: new Date().toISOString() });
        }),
      ),
    );

  /** Posts all, several at once, each again and again until it is taken; `then` is called when a third of them is. */
  async function send(posts: readonly object[], then: () => unknown = () => undefined): Promise<void> {
    const left = [...posts];
    let taken = 0;
    const work = async (first: number) => {
      for (let body = left.shift(), turn = first; body !== undefined; body = left.shift()) {
        for (;;) {
          const url = gateways[turn++ % gateways.length]?.url ?? '';
          const status = await postWebhook(url, body).then(
            (answer) => answer.status,
            () => 'none' as const,
          );
          if (status !== 'none' && status < 300) break;
          if (status !== 'none' && status !== 503) throw new Error(`answered ${status}`);
          await delay(200);
        }
        if (++taken === Math.floor(posts.length / 3)) await then();
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5].map(work));
  }

  async function counted(alertname: string) {
    const requests = await requestsNamed(api.url, alertname);
    const storms = requests.filter(({ spec }) => spec.storm?.isStorm);
    const storm = storms[0]?.status?.storm;
    return {
      storms: storms.length,
      alerts: requests.length - storms.length + (storm?.alertCount ?? 0),
      resources: requests.length - storms.length + (storm?.totalAffectedResources ?? 0),
      listed: storm?.affectedResources?.length,
      approximate: storm?.countApproximate ?? false,
      objects: requests.length,
    };
  }

  it('a gateway is killed with -9: the others go on, and everybody is counted once', async () => {
    const posts = bodies('KilledInStorm', 2_000);
    await send(posts, async () => {
      const [busiest] = gateways.splice(0, 1);
      await busiest?.kill();
    });
    const exact = { storms: 1, alerts: 2_000, resources: 2_000, listed: 100, approximate: false };
    expect(await counted('KilledInStorm')).toMatchObject(exact);
    expect((await counted('KilledInStorm')).objects).toBeLessThanOrEqual(12);
    // And by whomever they are sent again.
    await send(posts);
    expect(await counted('KilledInStorm')).toMatchObject(exact);
  }, 90_000);

  it('Redis is stopped, and comes back empty: nobody is lost, and the request says that its count is not exact', async () => {
    const posts = bodies('ForgottenStorm', 2_000);
    await send(posts, async () => {
      await redis.stop();
      setTimeout(() => void redis.startAgain().then((again) => (redis = again)), 1_000);
    });
    const { alerts, storms, listed, approximate, objects } = await counted('ForgottenStorm');
    expect({ storms, listed, approximate }).toEqual({ storms: 1, listed: 100, approximate: true });
    expect(alerts).toBeGreaterThanOrEqual(2_000);
    expect(objects).toBeLessThanOrEqual(12);
    await delay(1_500);
  }, 90_000);
});
