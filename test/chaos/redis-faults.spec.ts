import { setTimeout as delay } from 'node:timers/promises';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { standaloneObjects } from '../../src/standalone/standalone';
import { AlertmanagerPair } from '../support/alertmanager-pair';
import { eventually } from '../support/eventually';
import { showFaultTable, type FaultRow } from '../support/fault-table';
import { GatewayProcess } from '../support/gateway-process';
import { RedisCluster } from '../support/redis-cluster';
import { RedisProxy } from '../support/redis-proxy';
import { masterName, RedisWithSentinel } from '../support/redis-sentinel';
import { RedisServer } from '../support/redis-server';
import { requestsNamed, sender } from '../support/sender';

/** `npm run chaos` plays each fault for longer, in more traffic. */
const full = process.env.CHAOS_FORM === 'full';
const beforeMs = full ? 4_000 : 800;
const faultMs = full ? 6_000 : 1_500;
const afterMs = full ? 6_000 : 1_200;
const alertsPerSecond = full ? 25 : 15;
const patienceMs = 30_000;
const limitMs = 120_000;

interface Fault {
  readonly name: string;
  readonly begin: () => unknown;
  /** Absent for what happens in a moment, or heals by itself. */
  readonly end?: () => unknown;
  /** Whether the gateways must take Redis for away; default: yes. */
  readonly away?: boolean;
}

interface Redis {
  readonly settings: object;
  readonly faults: readonly Fault[];
  stop(): Promise<unknown>;
}

const rows: FaultRow[] = [];
let api: KubernetesApiServer;
beforeAll(async () => {
  api = await startKubernetesApiServer({
    listen: { host: '127.0.0.1', port: 0 },
    tokens: [sender],
    objects: standaloneObjects(),
  });
});
afterAll(async () => {
  await api.close();
  showFaultTable(rows);
});

/** Beside other specs a machine can stand still for longer than 250 ms, which is no fault of Redis. */
const patience = full ? {} : { command_timeout: '1s' };

/** Three gateways share one Redis and one API server, while two Alertmanagers tell them of the same alerts. */
describe('whatever happens to Redis in the middle of traffic, every alert has exactly one request', () => {
  it.each<[string, () => Promise<Redis>]>([
    ['one Redis', oneRedis],
    ['one Redis across a network', acrossNetwork],
    ['one Redis that must be there (on_failure: reject)', mandatoryRedis],
    ['a Sentinel, the primary killed', () => withSentinel('is killed', (primary) => primary.stop())],
    ['a Redis Cluster', redisCluster],
    ...(full
      ? ([['a Sentinel, the primary hung', () => withSentinel('hangs', (primary) => primary.pause())]] as [
          string,
          () => Promise<Redis>,
        ][])
      : []),
  ])(
    '%s',
    async (_, start) => {
      const redis = await start();
      const gateways = await Promise.all(
        [1, 2, 3].map(() =>
          GatewayProcess.start({ api: api.url, redis: '', settings: { redis: { ...patience, ...redis.settings } } }),
        ),
      );
      try {
        await everyGateway(gateways, usesRedis);
        // What the log says of that is no part of the first fault; its lines are written together, a moment later.
        await delay(1_000);
        const observed = [];
        for (const fault of redis.faults) observed.push(await play(fault, gateways));
        expect(observed).toEqual(redis.faults.map(asItShouldBe));
      } finally {
        await Promise.all(gateways.map((gateway) => gateway.kill()));
        await redis.stop();
      }
    },
    limitMs * (full ? 5 : 1),
  );

  it('also when a gateway is killed with -9, and another takes its place', async () => {
    const redis = await RedisServer.start();
    const start = () => GatewayProcess.start({ api: api.url, redis: redis.addr });
    const gateways = await Promise.all([start(), start(), start()]);
    try {
      const pair = pairFor('A gateway is killed', gateways);
      const traffic = pair.run(beforeMs + afterMs + faultMs);
      await delay(beforeMs);
      await gateways[0].kill();
      const began = performance.now();
      gateways[0] = await start();
      const recoveryMs = performance.now() - began;
      await traffic;
      await pair.finish(patienceMs);
      expect(await count('a gateway is killed with -9, another is started', pair, recoveryMs)).toEqual(nothingWrong);
    } finally {
      await Promise.all(gateways.map((gateway) => gateway.kill()));
      await redis.stop();
    }
  }, 60_000);
});

async function oneRedis(): Promise<Redis> {
  let redis = await RedisServer.start({
    settings: { 'enable-debug-command': 'yes', 'loading-process-events-interval-bytes': '1024' },
  });
  const away = await RedisServer.start();
  await away.stop();
  const disconnectAll = () => redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  let reload: Promise<unknown> = Promise.resolve();
  return {
    settings: { addr: redis.addr },
    stop: () => redis.stop(),
    faults: [
      {
        name: 'stopped, and started again empty',
        begin: () => redis.stop(),
        end: async () => (redis = await redis.startAgain()),
      },
      { name: 'hangs (SIGSTOP)', begin: () => redis.pause(), end: () => redis.resume() },
      {
        name: 'its password is changed',
        begin: async () => {
          await redis.command('CONFIG', 'SET', 'requirepass', 'secret');
          await redis.withPassword('secret').command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        },
        end: () => redis.withPassword('secret').command('CONFIG', 'SET', 'requirepass', ''),
      },
      {
        name: 'out of memory (OOM, noeviction)',
        begin: () => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
        end: () => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
      },
      {
        name: 'a read-only replica (READONLY)',
        begin: () => redis.command('REPLICAOF', '127.0.0.1', String(away.port)),
        end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
      },
      {
        name: 'loads its data (LOADING)',
        begin: async () => {
          const keys = Number(await redis.command('DBSIZE'));
          const perKeyUs = Math.ceil((faultMs * 1_000) / Math.max(1, keys));
          await redis.command('CONFIG', 'SET', 'key-load-delay', String(perKeyUs));
          reload = redis.command('DEBUG', 'RELOAD');
        },
        end: async () => {
          await reload;
          await redis.command('CONFIG', 'SET', 'key-load-delay', '0');
        },
      },
      { name: 'cuts every connection', begin: disconnectAll },
      { name: 'forgets its scripts (NOSCRIPT)', begin: () => redis.command('SCRIPT', 'FLUSH'), away: false },
      { name: 'forgets everything (FLUSHALL)', begin: () => redis.flush(), away: false },
    ],
  };
}

async function acrossNetwork(): Promise<Redis> {
  const redis = await RedisServer.start();
  const network = await RedisProxy.start(redis.port);
  return {
    settings: { addr: network.addr },
    stop: async () => {
      await network.close();
      await redis.stop();
    },
    faults: [
      { name: 'its connections are half open', begin: () => network.leaveHalfOpen() },
      { name: 'behind a partition', begin: () => network.partition(), end: () => network.heal() },
    ],
  };
}

async function mandatoryRedis(): Promise<Redis> {
  let redis = await RedisServer.start();
  return {
    settings: { addr: redis.addr, on_failure: 'reject' },
    stop: () => redis.stop(),
    faults: [
      { name: 'hangs, with `on_failure: reject`', begin: () => redis.pause(), end: () => redis.resume() },
      {
        name: 'stopped, with `on_failure: reject`',
        begin: () => redis.stop(),
        end: async () => (redis = await redis.startAgain()),
      },
    ],
  };
}

async function withSentinel(how: string, begin: (primary: RedisServer) => unknown): Promise<Redis> {
  const redis = await RedisWithSentinel.start();
  return {
    settings: { sentinels: [redis.addr], sentinel_master: masterName },
    stop: () => redis.stop(),
    faults: [{ name: `its primary ${how}, a Sentinel fails over`, begin: () => begin(redis.primary) }],
  };
}

async function redisCluster(): Promise<Redis> {
  const cluster = await RedisCluster.start();
  return {
    settings: { cluster_nodes: cluster.addrs.slice(0, 2) },
    stop: () => cluster.stop(),
    faults: [
      {
        name: 'a Cluster moves slots (MOVED, ASK)',
        begin: async () => {
          for (const key of await cluster.someKeys(30)) await cluster.move(key);
        },
        away: false,
      },
      {
        name: 'a primary of a Cluster is killed, its replica takes over',
        begin: async () => (await cluster.primaryOf('any')).stop(),
      },
    ],
  };
}

const nothingWrong = { lost: 0, doubled: 0, undelivered: 0, refused: [], late: false };

/** Away and back are told once each; while Redis need not be there, nothing has to be sent again. */
function asItShouldBe({ name, away = true }: Fault): object {
  const changes = away ? ['away', 'back'] : [];
  return { name, ...nothingWrong, sentAgain: isRejecting(name), changes: [changes, changes, changes] };
}

function isRejecting(name: string): boolean {
  return name.includes('reject');
}

async function play({ name, begin, end, away = true }: Fault, gateways: readonly GatewayProcess[]): Promise<object> {
  const marks = gateways.map(({ output }) => output.length);
  const pair = pairFor(name, gateways);
  const traffic = pair.run(beforeMs + (end === undefined ? 0 : faultMs) + afterMs);
  await delay(beforeMs);

  let ended = performance.now();
  await begin();
  const changes = () => gateways.map(({ output }, i) => changesIn(output.slice(marks[i])));
  if (away) await eventually(() => expect(changes().map(([first]) => first)).toEqual(gateways.map(() => 'away')));
  if (end !== undefined) {
    await everyGateway(gateways, doesWithoutRedis(isRejecting(name) ? 503 : 200));
    await delay(Math.max(0, ended + faultMs - performance.now()));
    await end();
    ended = performance.now();
  }
  await everyGateway(gateways, usesRedis, 30_000);
  const recoveryMs = away ? performance.now() - ended : undefined;
  await traffic;
  await pair.finish(patienceMs);

  return { name, ...(await count(name, pair, recoveryMs)), sentAgain: pair.trouble.size > 0, changes: changes() };
}

function pairFor(fault: string, gateways: readonly GatewayProcess[]): AlertmanagerPair {
  const alertname = fault.replace(/\W+(\w?)/g, (_, letter: string) => letter.toUpperCase());
  return new AlertmanagerPair({ alertname, urls: () => gateways.map(({ url }) => url), alertsPerSecond });
}

/** Compares what fired with what is in the cluster, and notes it in the table. */
async function count(fault: string, pair: AlertmanagerPair, recoveryMs: number | undefined) {
  const requests = new Map<string, number>();
  for (const { spec } of await requestsNamed(api.url, pair.alertname))
    requests.set(spec.resource.name, (requests.get(spec.resource.name) ?? 0) + 1);
  const lost = pair.pods.filter((pod) => !requests.has(pod)).length;
  const doubled = pair.pods.filter((pod) => (requests.get(pod) ?? 0) > 1).length;
  const retries = [...pair.trouble.values()].reduce((sum, times) => sum + times, 0);
  rows.push({ fault, alerts: pair.pods.length, lost, doubled, worstAnswerMs: pair.worstMs, recoveryMs, retries });
  const refused = [...pair.trouble.keys()].filter((status) => status !== 'none' && status < 500);
  return { lost, doubled, undelivered: pair.undelivered, refused, late: pair.worstMs > 5_000 };
}

async function everyGateway(
  gateways: readonly GatewayProcess[],
  check: (gateway: GatewayProcess) => Promise<void>,
  withinMs?: number,
): Promise<void> {
  await Promise.all(gateways.map((gateway) => eventually(() => check(gateway), withinMs)));
}

async function usesRedis({ url, metricsUrl }: GatewayProcess): Promise<void> {
  expect(await readinessOf(url)).toEqual({ code: 200, redis: 'up' });
  expect(await metricsOf(metricsUrl)).toEqual({ connection: '1', circuit: '0' });
}

function doesWithoutRedis(ready: number) {
  return async ({ url, metricsUrl }: GatewayProcess): Promise<void> => {
    expect(await readinessOf(url)).toEqual({ code: ready, redis: ready === 200 ? 'degraded' : 'down' });
    expect(await metricsOf(metricsUrl)).toEqual({ connection: '0', circuit: expect.stringMatching(/^[12]$/) });
  };
}

async function readinessOf(url: string) {
  const response = await fetch(`${url}/ready`);
  const { details } = (await response.json()) as { details: { redis: { status: string } } };
  return { code: response.status, redis: details.redis.status };
}

async function metricsOf(metricsUrl: string) {
  const text = await (await fetch(metricsUrl)).text();
  return {
    connection: /^gateway_redis_connection_status (\d)$/m.exec(text)?.[1],
    circuit: /^gateway_circuit_breaker_state\{dependency="redis"\} (\d)$/m.exec(text)?.[1],
  };
}

function changesIn(output: string): string[] {
  const lines = output.matchAll(/"(failed to connect to Redis: [^"]*|connected to Redis)"/g);
  const told = [...lines].map(([, text = '']) => (text.startsWith('failed') ? 'away' : 'back'));
  // That it is away is told again when it is known why.
  return told.filter((what, i) => what !== told[i - 1]);
}
