import { once } from 'node:events';
import { connect as connectTo, createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { StateUnavailableError, type Claim } from '../../src/state/signal-state';
import { eventually } from '../support/eventually';
import { aFingerprint, aRequest } from '../support/incident';
import { connectState, type ConnectedState } from '../support/redis-client';
import { RedisServer } from '../support/redis-server';
import { RunningProcess } from '../support/process';
import { until } from '../support/until';

interface Outage {
  readonly name: string;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
  readonly reason: string;
  /** What is found out when it is connected to again. */
  readonly laterReason?: string;
}

const commandTimeoutMs = 250;
/** What a busy machine may add to the command timeout before an answer counts as hanging. */
const slackMs = 1_500;

let redis: RedisServer;
const opened: ConnectedState[] = [];
const password = 'the-right-one';

beforeEach(async () => {
  redis = await RedisServer.start({
    settings: { 'enable-debug-command': 'yes', 'loading-process-events-interval-bytes': '1024' },
  });
  await redis.command('ACL', 'SETUSER', 'gateway', 'on', `>${password}`, '~*', '&*', '+@all');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ close }) => close()));
  await redis.stop();
});

const outages: readonly Outage[] = [
  {
    name: 'hangs',
    begin: () => {
      redis.pause();
      return Promise.resolve();
    },
    end: () => {
      redis.resume();
      return Promise.resolve();
    },
    reason: 'no answer in time',
  },
  {
    name: 'is out of memory and evicts nothing',
    begin: () => command('CONFIG', 'SET', 'maxmemory', '1'),
    end: () => command('CONFIG', 'SET', 'maxmemory', '0'),
    reason: 'out of memory',
  },
  {
    name: 'has become a replica',
    begin: () => command('REPLICAOF', '127.0.0.1', '1'),
    end: () => command('REPLICAOF', 'NO', 'ONE'),
    reason: 'is a read-only replica',
  },
  {
    name: 'does not accept the password any more',
    begin: async () => {
      await command('ACL', 'SETUSER', 'gateway', 'resetpass', '>another');
      await command('CLIENT', 'KILL', 'USER', 'gateway');
    },
    end: () => command('ACL', 'SETUSER', 'gateway', 'resetpass', `>${password}`),
    reason: 'connection lost',
    laterReason: 'wrong username or password',
  },
  {
    name: 'does not permit scripts any more',
    begin: () => command('ACL', 'SETUSER', 'gateway', '-eval', '-evalsha'),
    end: () => command('ACL', 'SETUSER', 'gateway', '+eval', '+evalsha'),
    reason: 'not permitted by its access control list',
  },
];

describe.each(outages)('when Redis $name', ({ begin, end, reason, laterReason }) => {
  it('fails in time, says so once, and comes back by itself', async () => {
    const { state, connection, changes } = await connected('reject');
    await begin();

    for (let i = 0; i < 3; i++) await expectUnavailable(state.claim([{ fingerprint: aFingerprint() }]));
    await expectUnavailable(state.confirm([{ fingerprint: aFingerprint(), token: 'x', request: aRequest() }]));
    expect(changes.slice(0, 2)).toEqual([{ up: true }, { up: false, reason }]);
    const later = laterReason === undefined ? [] : [{ up: false, reason: laterReason }];
    await until(() => changes.length === 2 + later.length);
    await end();
    await connection.whenUp();

    expect(outcomeOf(await state.claim([{ fingerprint: aFingerprint() }]))).toBe('new');
    expect(changes).toEqual([{ up: true }, { up: false, reason }, ...later, { up: true }]);
  });

  it('does not remember in an outage what one before it left here', async () => {
    const { state, connection } = await connected('degrade');
    const fingerprint = aFingerprint();
    const request = aRequest();
    await begin();
    await confirm(state, fingerprint, request);
    await end();
    await connection.whenUp();
    await confirm(state, fingerprint, request);
    await begin();
    // The cluster says how often it was seen, and not what an earlier outage left here.
    await eventually(async () => expect(outcomeOf(await state.claim([{ fingerprint }]))).toBe('new'));
    await end();
    await connection.whenUp();
  });

  it('answers from this process if told to, and uses Redis again afterwards', async () => {
    const { state, connection, size } = await connected('degrade');
    const fingerprint = aFingerprint();
    const request = aRequest();
    await begin();

    await confirm(state, fingerprint, request);
    expect(await state.claim([{ fingerprint }])).toEqual([
      expect.objectContaining({ outcome: 'duplicate', request, count: 2 }),
    ]);
    expect(await state.find([fingerprint])).toEqual([expect.objectContaining({ request, count: 2 })]);
    expect(size()).toBe(1);
    await end();
    await connection.whenUp();

    const shared = aFingerprint();
    await confirm(state, shared, request);
    expect(await redis.command('HGET', `gateway:v1:{${shared}}`, 'request')).toBe(
      `${request.namespace}/${request.name}`,
    );
  });
});

describe('a script that fails by its own doing', () => {
  const broken = aFingerprint();
  const breakEntry = () => command('SET', `gateway:v1:{${broken}}`, 'not what it should be');

  it('fails its own batch, and says nothing of Redis', async () => {
    const { state, changes, warnings } = await connected('reject');
    await breakEntry();
    for (let i = 0; i < 3; i++) await expectUnavailable(state.claim([{ fingerprint: broken }]));
    expect(outcomeOf(await state.claim([{ fingerprint: aFingerprint() }]))).toBe('new');
    expect(changes).toEqual([{ up: true }]);
    const told = warnings.filter((warning) => warning.startsWith('a script of the gateway'));
    // That of the claim, and of the release of what it may have claimed.
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/^a script of the gateway \([0-9a-f]{8}\) failed in Redis, in its line \d+$/);
  });

  it('leaves its batch to this process, if told to', async () => {
    const { state, changes, size } = await connected('degrade');
    await breakEntry();
    const request = aRequest();
    await confirm(state, broken, request);
    expect(await state.claim([{ fingerprint: broken }])).toEqual([
      expect.objectContaining({ outcome: 'duplicate', request }),
    ]);
    expect(size()).toBe(1);
    expect(changes).toEqual([{ up: true }]);
  });
});

describe('when Redis is stopped', () => {
  it('rejects what was on its way, and comes back with the next Redis at this address', async () => {
    // With a deadline this long, only the loss of the connection can end it in time.
    const { state, connection, changes } = connect({ addr: redis.addr, commandTimeoutMs: 10_000 });
    await connection.whenUp();
    redis.pause();
    const onTheWay = state.claim([{ fingerprint: aFingerprint() }]);
    await redis.stop();

    await expectUnavailable(onTheWay);
    await expectUnavailable(state.find([aFingerprint()]));
    redis = await RedisServer.start({ port: redis.port });
    await connection.whenUp();

    expect(outcomeOf(await state.claim([{ fingerprint: aFingerprint() }]))).toBe('new');
    expect(changes).toEqual([{ up: true }, { up: false, reason: expect.any(String) }, { up: true }]);
  });

  it('still settles claims that were made before', async () => {
    const { state } = await connected('degrade');
    const [confirmed, released] = [aFingerprint(), aFingerprint()];
    const request = aRequest();
    const [first, second] = await state.claim([{ fingerprint: confirmed }, { fingerprint: released }]);
    await redis.stop();

    expect(await state.confirm([{ fingerprint: confirmed, token: tokenOf(first), request }])).toEqual([
      expect.objectContaining({ count: 1 }),
    ]);
    await state.release([{ fingerprint: released, token: tokenOf(second) }]);

    const claims = await state.claim([{ fingerprint: confirmed }, { fingerprint: released }]);
    expect(claims).toEqual([
      expect.objectContaining({ outcome: 'duplicate', request, count: 2 }),
      expect.objectContaining({ outcome: 'new' }),
    ]);
  });
});

it('does not leave a fingerprint held by a claim that Redis ran after its caller had given up', async () => {
  const { state, connection } = await connected('reject');
  const fingerprint = aFingerprint();
  // Redis knows the script, so it will run the claim that it finds when it wakes up.
  await state.claim([{ fingerprint: aFingerprint() }]);
  redis.pause();
  await expectUnavailable(state.claim([{ fingerprint }]));
  redis.resume();
  await connection.whenUp();
  expect(outcomeOf(await state.claim([{ fingerprint }]))).toBe('new');
});

it('settles a claim of this process there, while Redis is back and another replica holds the fingerprint', async () => {
  const mine = await connected('degrade');
  const theirs = await connected('reject');
  const fingerprint = aFingerprint();
  await command('CONFIG', 'SET', 'maxmemory', '1');
  const [claim] = await mine.state.claim([{ fingerprint }]);
  await command('CONFIG', 'SET', 'maxmemory', '0');
  await Promise.all([mine.connection.whenUp(), theirs.connection.whenUp()]);
  const [held] = await theirs.state.claim([{ fingerprint }]);

  expect(await mine.state.confirm([{ fingerprint, token: tokenOf(claim), request: aRequest() }])).toEqual([
    expect.objectContaining({ count: 1 }),
  ]);
  const request = aRequest();
  expect(await theirs.state.confirm([{ fingerprint, token: tokenOf(held), request }])).toEqual([
    expect.objectContaining({ count: 1 }),
  ]);
  expect(await mine.state.find([fingerprint])).toEqual([expect.objectContaining({ request })]);
});

it('follows its address to the new primary after a failover', async () => {
  const next = await RedisServer.start();
  let { port } = redis;
  const address = createServer((socket) =>
    socket
      .pipe(connectTo(port, '127.0.0.1'))
      .on('error', () => undefined)
      .pipe(socket),
  );
  address.listen(0, '127.0.0.1');
  await once(address, 'listening');
  const { state, connection } = connect({ addr: `127.0.0.1:${(address.address() as AddressInfo).port}` });
  await connection.whenUp();

  port = next.port;
  await command('REPLICAOF', '127.0.0.1', String(next.port));
  await expectUnavailable(state.claim([{ fingerprint: aFingerprint() }]));
  await connection.whenUp();

  const fingerprint = aFingerprint();
  expect(outcomeOf(await state.claim([{ fingerprint }]))).toBe('new');
  expect(await next.command('EXISTS', `gateway:v1:{${fingerprint}}`)).toBe('1');
  connection.close();
  address.close();
  await next.stop();
});

it('starts without Redis and finds it later', async () => {
  const { port } = redis;
  await redis.stop();
  const { state, connection, changes } = connect({ addr: `127.0.0.1:${port}` });
  await until(() => changes.length > 0);
  await expectUnavailable(state.claim([{ fingerprint: aFingerprint() }]));
  redis = await RedisServer.start({ port });
  await connection.whenUp();

  expect(outcomeOf(await state.claim([{ fingerprint: aFingerprint() }]))).toBe('new');
  expect(changes).toEqual([{ up: false, reason: 'connection refused' }, { up: true }]);
});

it('is not up while Redis hangs from the beginning', async () => {
  redis.pause();
  const { state, changes, connection } = connect({ addr: redis.addr, commandTimeoutMs: 100 });
  await until(() => changes.length > 0);
  await expectUnavailable(state.find([aFingerprint()]));
  redis.resume();
  await connection.whenUp();
  expect(changes).toEqual([{ up: false, reason: 'no answer in time' }, { up: true }]);
});

it('is not up while Redis loads its data', async () => {
  await command('DEBUG', 'POPULATE', '200', 'filler', '2000');
  await command('CONFIG', 'SET', 'key-load-delay', '10000');
  const loading = redis.command('DEBUG', 'RELOAD');
  await untilLoading();
  const { state, connection } = connect({ addr: redis.addr });
  await expectUnavailable(state.find([aFingerprint()]));
  expect(await isLoading()).toBe(true);
  await loading;
  await connection.whenUp();
  expect(await state.find([aFingerprint()])).toEqual([undefined]);
});

it.each([
  ['a wrong password', { username: 'gateway', password: 's3cret' }, 'wrong username or password'],
  ['a wrong user', { username: 's3cret', password }, 'wrong username or password'],
])('tells %s, and never shows it', async (_, credentials, reason) => {
  const { state, changes, connection } = connect({ addr: redis.addr, ...credentials });
  await until(() => changes.length > 0);
  const error = await state.claim([{ fingerprint: aFingerprint() }]).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(StateUnavailableError);
  expect(connection.status).toEqual({ up: false, reason });
  expect(inspect([changes, error], { depth: Infinity })).not.toContain('s3cret');
});

it('tells that a password is missing', async () => {
  await command('CONFIG', 'SET', 'requirepass', 'needed');
  const { changes } = connect({ addr: redis.addr });
  await until(() => changes.length > 0);
  expect(changes).toEqual([{ up: false, reason: 'a password is required' }]);
});

it('gives up a connection that nobody accepts after the dial timeout, and tells it', async () => {
  // It listens and then sleeps, so that connections beyond its backlog are never made.
  const deaf = await RunningProcess.start(process.execPath, [
    '--eval',
    `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'port ' + server.address().port + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`,
  ]);
  const [, port] = await deaf.printed(/port (\d+)/);
  const fillers = Array.from({ length: 4 }, () => connectTo(Number(port), '127.0.0.1').on('error', () => undefined));
  await once(fillers[0]!, 'connect');
  try {
    const addr = `127.0.0.1:${port}`;
    const [short, long] = [500, 60_000].map((dialTimeoutMs) => connect({ addr, dialTimeoutMs }));
    await until(() => short!.changes.length > 0);
    expect(short!.changes).toEqual([{ up: false, reason: 'connecting timed out' }]);
    expect(long!.changes).toEqual([]);
  } finally {
    for (const filler of fillers) filler.destroy();
    await deaf.stop('SIGKILL');
  }
});

function connect(options: Parameters<typeof connectState>[0]): ConnectedState {
  const state = connectState(options);
  opened.push(state);
  return state;
}

async function connected(onFailure: 'degrade' | 'reject'): Promise<ConnectedState> {
  const state = connect({ addr: redis.addr, username: 'gateway', password, onFailure, commandTimeoutMs });
  await state.connection.whenUp();
  return state;
}

async function expectUnavailable(operation: Promise<unknown>): Promise<void> {
  const start = performance.now();
  await expect(operation).rejects.toThrow(StateUnavailableError);
  expect(performance.now() - start).toBeLessThan(commandTimeoutMs + slackMs);
}

async function confirm(
  state: ConnectedState['state'],
  fingerprint: string,
  request: ReturnType<typeof aRequest>,
): Promise<void> {
  const [claim] = await state.claim([{ fingerprint }]);
  await state.confirm([{ fingerprint, token: tokenOf(claim), request }]);
}

async function command(...args: string[]): Promise<void> {
  await redis.command(...args);
}

async function isLoading(): Promise<boolean> {
  return (await redis.command('INFO', 'persistence')).includes('loading:1');
}

async function untilLoading(): Promise<void> {
  while (!(await isLoading()));
}

function outcomeOf([claim]: readonly Claim[]): string | undefined {
  return claim?.outcome;
}

function tokenOf(claim: Claim | undefined): string {
  if (claim?.outcome !== 'new') throw new Error(`expected a new claim, got ${claim?.outcome}`);
  return claim.token;
}
