import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { GatewayProcess } from '../support/gateway-process';
import { RedisProxy } from '../support/redis-proxy';
import { RedisServer } from '../support/redis-server';
import { requestsNamed } from '../support/sender';
import { firing, resolved, webhook } from '../support/webhook';

const creates = { method: 'POST', path: /\/remediationrequests\?fieldValidation=Strict$/ };
const patches = { method: 'PATCH', path: /\/remediationrequests\/.*\/status$/ };

/** The proxies that stand between the gateway that is killed and its neighbours. */
interface Neighbours {
  readonly api: FaultyApi;
  readonly redis: RedisProxy;
}

/** Two gateways share Redis and the API server. One is killed in the middle; its sender goes on with the other. */
describe('a gateway that is killed with -9', () => {
  let redis: RedisServer;
  let api: KubernetesApiServer;
  let survivor: GatewayProcess;
  let doomed: GatewayProcess;
  let between: Neighbours;

  beforeAll(async () => {
    redis = await RedisServer.start();
    api = await startCluster();
    survivor = await GatewayProcess.start({ api: api.url, redis: redis.addr });
  }, 30_000);
  afterAll(async () => {
    await survivor.kill();
    await api.close();
    await redis.stop();
  });

  beforeEach(async () => {
    between = { api: await FaultyApi.start(api.url), redis: await RedisProxy.start(redis.port) };
    doomed = await GatewayProcess.start({ api: between.api.url, redis: between.redis.addr });
  });
  afterEach(async () => {
    await doomed.kill();
    await between.api.close();
    await between.redis.close();
  });

  /** For a hook: it dies, and what was under way goes no further. */
  const kill = async () => {
    await doomed.kill();
    throw new Error('the gateway is dead');
  };
  const requestsOf = (alertname: string) => requestsNamed(api.url, alertname);
  const alert = (alertname: string, pod = 'a') => firing({ alertname, namespace: 'test', pod });

  it.each<[string, number, (neighbours: Neighbours) => void]>([
    ['before its claim reaches Redis', 0, ({ redis }) => redis.before('claim', kill)],
    ['after its claim, before it knows', 0, ({ redis }) => redis.after('claim', kill)],
    ['after its claim, before the create', 0, ({ api }) => api.fail(creates, { before: kill })],
    ['after the create, before it knows', 1, ({ api }) => api.fail(creates, { after: kill })],
    ['after the create, before its confirmation', 1, ({ redis }) => redis.before('confirm', kill)],
    ['after its confirmation, before its sender knows', 1, ({ redis }) => redis.after('confirm', kill)],
  ])(
    'loses nothing and doubles nothing: %s',
    async (when, created, arm) => {
      const name = `Killed${when.replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase())}`;
      arm(between);
      await expect(doomed.post(webhook(alert(name)))).rejects.toThrow('fetch failed');
      expect(await doomed.ended).toBe('SIGKILL');
      expect(await requestsOf(name)).toHaveLength(created);

      const answer = await survivor.postUntilTaken(webhook(alert(name)));
      expect(answer.status).toBe(created === 1 ? 202 : 201);
      const [request, ...others] = await requestsOf(name);
      expect(others).toEqual([]);
      expect(await survivor.postUntilTaken(webhook(alert(name)))).toMatchObject({
        status: 202,
        body: { status: 'duplicate', metadata: { remediation_request_ref: request?.metadata.name } },
      });
      expect(await requestsOf(name)).toHaveLength(1);
    },
    60_000,
  );

  it('loses and doubles none of 20 alerts when it dies after ten creates', async () => {
    const alerts = Array.from({ length: 20 }, (_, i) => alert('KilledHalfWay', `pod-${i}`));
    between.api.fail(creates, { delayMs: 0 }, 9);
    between.api.fail(creates, { after: kill });
    between.api.fail(creates, 'hang', 100);
    await expect(doomed.post(webhook(...alerts))).rejects.toThrow('fetch failed');
    const before = await requestsOf('KilledHalfWay');
    expect(before).toHaveLength(10);

    expect((await survivor.postUntilTaken(webhook(...alerts))).status).toBeLessThan(300);
    const after = await requestsOf('KilledHalfWay');
    expect(new Set(after.map(({ spec }) => spec.resource.name)).size).toBe(20);
    expect(after).toHaveLength(20);
  }, 60_000);

  it.each<[string, (neighbours: Neighbours) => void]>([
    ['before its request knows', ({ api }) => api.fail(patches, { before: kill })],
    ['after its request knows', ({ api }) => api.fail(patches, { after: kill })],
  ])(
    'resolves what resolved: %s',
    async (when, arm) => {
      const name = `Resolved${when.startsWith('before') ? 'Before' : 'After'}`;
      expect((await survivor.postUntilTaken(webhook(alert(name)))).status).toBe(201);
      // The watch of the other has it as well.
      await eventually(async () => expect((await doomed.post(webhook(alert(name)))).status).toBe(202));
      await eventually(async () => expect((await requestsOf(name))[0]?.status?.deduplication?.occurrenceCount).toBe(2));
      arm(between);
      const over = webhook(resolved({ alertname: name, namespace: 'test', pod: 'a' }));
      await expect(doomed.post(over)).rejects.toThrow('fetch failed');
      expect(await survivor.postUntilTaken(over)).toMatchObject({
        status: 202,
        body: { status: 'resolved', reason: 'resolved' },
      });
      expect((await requestsOf(name)).map(({ status }) => status?.signal?.state)).toEqual(['Resolved']);
    },
    60_000,
  );
});
