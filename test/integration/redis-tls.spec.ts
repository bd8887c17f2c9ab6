import { readRedisTls } from '../../src/state/redis/redis-tls';
import { Certificates } from '../support/certificates';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { aFingerprint, aRequest } from '../support/incident';
import { connectState, type ConnectedState } from '../support/redis-client';
import { RedisServer } from '../support/redis-server';

/** A Redis that speaks TLS alone to clients with a certificate, and wants a user and a password as well. */
describe('the shared memory over TLS', () => {
  let certificates: Certificates;
  let redis: RedisServer;
  let tlsPort: number;
  let files: { caFile: string; certFile: string; keyFile: string; serverName: string };
  let opened: ConnectedState | undefined;

  beforeAll(async () => {
    certificates = new Certificates();
    const server = certificates.issue('redis');
    const client = certificates.issue('gateway');
    files = { caFile: certificates.ca, certFile: client.cert, keyFile: client.key, serverName: '' };
    tlsPort = await freePort();
    redis = await RedisServer.start({
      settings: {
        'tls-port': String(tlsPort),
        'tls-cert-file': server.cert,
        'tls-key-file': server.key,
        'tls-ca-cert-file': certificates.ca,
        'tls-auth-clients': 'yes',
      },
    });
    // As docs/security.md says.
    const ofScripts = [
      'eval',
      'evalsha',
      'time',
      'hget',
      'hmget',
      'hset',
      'hsetnx',
      'hgetall',
      'hdel',
      'del',
      'pexpire',
      'pttl',
    ];
    const commands = [...ofScripts, 'zadd', 'zcard', 'zrange', 'zremrangebyscore', 'info'];
    const rights = commands.map((command) => `+${command}`);
    await redis.command('ACL', 'SETUSER', 'gateway', 'on', '>secret', '~gateway:v1:*', ...rights);
  });
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
  });
  afterAll(async () => {
    await redis.stop();
    certificates.remove();
  });

  const connect = (more: object = {}, tls = files) => {
    const place = { addr: `127.0.0.1:${tlsPort}`, username: 'gateway', password: 'secret' };
    opened = connectState({ ...place, tls: readRedisTls(tls), ...more });
    return opened;
  };

  it('works, for a user with a certificate and a password', async () => {
    const { connection, state, storms, members, bank } = connect();
    await connection.whenUp();
    const fingerprint = aFingerprint();
    const [claimed] = await state.claim([{ fingerprint }]);
    const { token } = claimed as { token: string };
    await state.confirm([{ fingerprint, token, request: aRequest() }]);
    expect(await state.find([fingerprint])).toMatchObject([{ count: 1 }]);
    expect(await state.claim([{ fingerprint }])).toMatchObject([{ outcome: 'duplicate' }]);
    await state.release([{ fingerprint, token }]);
    await bank?.withdraw('limit', 1, { capacity: 10, perMinute: 10 });
    const candidates = [{ fingerprint, resource: 'Pod/a', tokens: ['a=b'] }];
    const rules = { rateThreshold: 1, rateWindowMs: 60_000, patternThreshold: 1, patternWindowMs: 60_000 };
    const all = { ...rules, similarityThreshold: 1, aggregationWindowMs: 60_000, maxWindowMs: 60_000 };
    await storms.place([{ key: 'group', candidates }], all);
    await storms.place([{ key: 'group', candidates: [{ ...candidates[0]!, fingerprint: aFingerprint() }] }], all);
    await storms.close('group');
    const counts = { alertCount: 0, resolvedCount: 0, totalAffectedResources: 0, lastMemberAt: 0, isQuiet: false };
    const nobody = {
      ...counts,
      version: 0,
      writesApart: 0,
      ownApart: false,
      listed: [],
      listsAll: true,
      maybeTwice: 0,
    };
    await members.record('storm', nobody, [
      { fingerprint, resource: 'Pod/a', firing: true, alert: 'a', at: 1, said: 1 },
    ]);
    expect(connection.status).toEqual({ up: true });
  });

  it.each([
    ['an authority that it does not know', {}, { caFile: '' }],
    ['no certificate of ours', {}, { certFile: '', keyFile: '' }],
    ['a certificate for another name', {}, { serverName: 'elsewhere.example.com' }],
    ['no TLS at all', { tls: undefined }, {}],
  ])('does not work with %s, says so, and hangs nobody', async (_, options, changed) => {
    const { connection, state, changes } = connect(options, { ...files, ...changed });
    await eventually(() => expect(changes).toHaveLength(1));
    expect(connection.status).toMatchObject({ up: false, reason: expect.stringMatching(/./) });
    await expect(state.claim([{ fingerprint: aFingerprint() }])).rejects.toThrow('Redis is not available');
  });

  it('names the setting of a file that cannot be read', () => {
    expect(() => readRedisTls({ ...files, keyFile: '/nowhere/key.pem' })).toThrow(
      'redis.tls.key_file: /nowhere/key.pem cannot be read (ENOENT)',
    );
  });
});

describe('how Redis bounds its memory', () => {
  it('is looked at when it is connected, and told when it is no good', async () => {
    const redis = await RedisServer.start({ settings: { maxmemory: '64mb', 'maxmemory-policy': 'noeviction' } });
    const opened = connectState({ addr: redis.addr });
    await opened.connection.whenUp();
    await eventually(() => expect(opened.warnings).toEqual([expect.stringContaining('noeviction')]));
    await opened.close();
    await redis.stop();
  });
});
