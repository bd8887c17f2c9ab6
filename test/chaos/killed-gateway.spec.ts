import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { standaloneObjects } from '../../src/standalone/standalone';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { RunningProcess } from '../support/process';
import { RedisProxy } from '../support/redis-proxy';
import { RedisServer } from '../support/redis-server';
import { firing, resolved, webhook } from '../support/webhook';

const token = 'the-good-token';
const creates = { method: 'POST', path: /\/remediationrequests\?fieldValidation=Strict$/ };
const patches = { method: 'PATCH', path: /\/remediationrequests\/.*\/status$/ };
/** A claim ends by itself after 10 s; until then its sender is asked to try again. */
const patienceMs = 25_000;

interface GatewayProcess {
  readonly url: string;
  readonly process: RunningProcess;
}

/** The proxies that stand between the gateway that is killed and its neighbours. */
interface Neighbours {
  readonly api: FaultyApi;
  readonly redis: RedisProxy;
}

/** Two gateways share Redis and the API server. One is killed in the middle; its sender goes on with the other. */
describe('a gateway that is killed with -9', () => {
  let directory: string;
  let redis: RedisServer;
  let api: KubernetesApiServer;
  let survivor: GatewayProcess;
  let doomed: GatewayProcess;
  let between: Neighbours;
  let cases = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-killed-'));
    redis = await RedisServer.start();
    api = await startKubernetesApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      tokens: [{ token, username: 'system:serviceaccount:monitoring:alertmanager' }],
      objects: standaloneObjects(),
    });
    survivor = await start(api.url, redis.addr);
  }, 30_000);
  afterAll(async () => {
    await survivor.process.stop('SIGKILL');
    await api.close();
    await redis.stop();
    rmSync(directory, { recursive: true });
  });

  beforeEach(async () => {
    between = { api: await FaultyApi.start(api.url), redis: await RedisProxy.start(redis.port) };
    doomed = await start(between.api.url, between.redis.addr);
  });
  afterEach(async () => {
    await doomed.process.stop('SIGKILL');
    await between.api.close();
    await between.redis.close();
  });

  async function start(server: string, addr: string): Promise<GatewayProcess> {
    const number = ++cases;
    const kubeconfig = join(directory, `kubeconfig-${number}`);
    const cluster = {
      clusters: [{ name: 'c', cluster: { server } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'kubernaut-system' } }],
      'current-context': 'x',
    };
    writeFileSync(kubeconfig, JSON.stringify(cluster));
    const config = join(directory, `gateway-${number}.yaml`);
    const settings = {
      server: { listen_addr: '127.0.0.1:0' },
      metrics: { enabled: false },
      redis: { addr },
      kubernetes: { kubeconfig },
    };
    writeFileSync(config, JSON.stringify(settings));
    const running = await RunningProcess.start('node', ['dist/main.js', '--config', config]);
    const [, url = ''] = await running.printed(/gateway listening on (http:\S+)/);
    await eventually(async () => {
      const text = await (await fetch(`${url}/ready`)).text();
      expect(text).toContain('"status":"ok"');
      if (addr !== '') expect(text).toContain('"redis":{"status":"up"}');
    });
    return { url, process: running };
  }

  /** For a hook: it dies, and what was under way goes no further. */
  const kill = async () => {
    await doomed.process.stop('SIGKILL');
    throw new Error('the gateway is dead');
  };
  const post = async (url: string, body: object) => {
    const response = await fetch(`${url}/api/v1/signals/prometheus`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
    return { status: response.status, body: (await response.json()) as any };
  };
  /** As Alertmanager does: again and again until it is taken. */
  const send = async (body: object) => {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await post(survivor.url, body);
      if (answer.status < 300) return answer;
      expect(answer.status).toBe(503);
      if (performance.now() > until) throw new Error(`not taken in time: ${JSON.stringify(answer.body)}`);
      await delay(500);
    }
  };
  const requestsOf = async (alertname: string) => {
    const response = await fetch(`${api.url}/apis/remediation.kubernaut.io/v1/remediationrequests`);
    const { items } = (await response.json()) as { items: RemediationRequest[] };
    return items.filter(({ spec }) => spec.alertName === alertname);
  };
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
      await expect(post(doomed.url, webhook(alert(name)))).rejects.toThrow('fetch failed');
      expect(await doomed.process.ended).toBe('SIGKILL');
      expect(await requestsOf(name)).toHaveLength(created);

      const answer = await send(webhook(alert(name)));
      expect(answer.status).toBe(created === 1 ? 202 : 201);
      const [request, ...others] = await requestsOf(name);
      expect(others).toEqual([]);
      expect(await send(webhook(alert(name)))).toMatchObject({
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
    await expect(post(doomed.url, webhook(...alerts))).rejects.toThrow('fetch failed');
    const before = await requestsOf('KilledHalfWay');
    expect(before).toHaveLength(10);

    expect((await send(webhook(...alerts))).status).toBeLessThan(300);
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
      expect((await send(webhook(alert(name)))).status).toBe(201);
      // The watch of the other has it as well.
      await eventually(async () => expect((await post(doomed.url, webhook(alert(name)))).status).toBe(202));
      await eventually(async () => expect((await requestsOf(name))[0]?.status?.deduplication?.occurrenceCount).toBe(2));
      arm(between);
      const over = webhook(resolved({ alertname: name, namespace: 'test', pod: 'a' }));
      await expect(post(doomed.url, over)).rejects.toThrow('fetch failed');
      expect(await send(over)).toMatchObject({ status: 202, body: { status: 'resolved', reason: 'resolved' } });
      expect((await requestsOf(name)).map(({ status }) => status?.signal?.state)).toEqual(['Resolved']);
    },
    60_000,
  );
});
