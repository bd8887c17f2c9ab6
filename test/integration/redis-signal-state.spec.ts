import type { Claim } from '../../src/state/signal-state';
import { aFingerprint, aRequest } from '../support/incident';
import { connectState, type ConnectedState } from '../support/redis-client';
import { RedisServer } from '../support/redis-server';
import { until } from '../support/until';

describe('two replicas on one Redis', () => {
  let redis: RedisServer;
  let one: ConnectedState;
  let other: ConnectedState;

  beforeAll(async () => {
    redis = await RedisServer.start();
    one = connectState({ addr: redis.addr });
    other = connectState({ addr: redis.addr });
    await Promise.all([one.connection.whenUp(), other.connection.whenUp()]);
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  it('share what one of them confirmed', async () => {
    const fingerprint = aFingerprint();
    const request = aRequest();
    const [mine] = await one.state.claim([{ fingerprint }]);
    const [theirs] = await other.state.claim([{ fingerprint }]);
    await one.state.confirm([{ fingerprint, token: tokenOf(mine), request }]);

    expect(theirs?.outcome).toBe('pending');
    expect(await other.state.claim([{ fingerprint }])).toEqual([
      expect.objectContaining({ outcome: 'duplicate', request, count: 2 }),
    ]);
    expect(await one.state.find([fingerprint])).toEqual(await other.state.find([fingerprint]));
  });

  it('never hold the same fingerprint together', async () => {
    const fingerprint = aFingerprint();
    const claims = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (i % 2 ? one : other).state.claim([{ fingerprint }])),
    );
    expect(claims.flat().filter(({ outcome }) => outcome === 'new')).toHaveLength(1);
  });

  it('never make the same token', async () => {
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).state.claim([{ fingerprint: aFingerprint() }])),
    );
    expect(new Set(claims.flat().map(tokenOf)).size).toBe(20);
  });

  it('ask once for a webhook of a thousand', async () => {
    const fingerprints = Array.from({ length: 1_000 }, aFingerprint);
    const requests = fingerprints.map((fingerprint) => ({ fingerprint }));
    // Redis knows the scripts from here on.
    const [warm] = await one.state.claim([{ fingerprint: aFingerprint() }]);
    await one.state.confirm([{ fingerprint: warm!.fingerprint, token: tokenOf(warm), request: aRequest() }]);
    await one.state.find([aFingerprint()]);
    await one.state.release([{ fingerprint: aFingerprint(), token: 'lapsed' }]);
    const before = await scriptCalls();

    const claims = await one.state.claim(requests);
    expect(await scriptCalls()).toBe(before + 1);
    await one.state.release(
      claims.slice(500).map((claim) => ({ fingerprint: claim.fingerprint, token: tokenOf(claim) })),
    );
    expect(await scriptCalls()).toBe(before + 2);
    await one.state.confirm(
      claims
        .slice(0, 500)
        .map((claim) => ({ fingerprint: claim.fingerprint, token: tokenOf(claim), request: aRequest() })),
    );
    expect(await scriptCalls()).toBe(before + 3);
    expect((await one.state.find(fingerprints)).filter((entry) => entry !== undefined)).toHaveLength(500);
    expect(await scriptCalls()).toBe(before + 4);
  });

  it('go on when Redis has forgotten the scripts', async () => {
    const fingerprint = aFingerprint();
    await redis.command('SCRIPT', 'FLUSH');
    expect(await one.state.claim([{ fingerprint }])).toEqual([expect.objectContaining({ outcome: 'new' })]);
  });

  it('confirm a claim that Redis lost in the meantime', async () => {
    const fingerprint = aFingerprint();
    const [claim] = await one.state.claim([{ fingerprint }]);
    await redis.flush();
    await one.state.confirm([{ fingerprint, token: tokenOf(claim), request: aRequest() }]);
    expect(await other.state.claim([{ fingerprint }])).toEqual([
      expect.objectContaining({ outcome: 'duplicate', count: 2 }),
    ]);
  });

  it('leave one key per fingerprint, which ends by itself', async () => {
    await redis.flush();
    const fingerprint = aFingerprint();
    const key = `gateway:v1:{${fingerprint}}`;
    const [claim] = await one.state.claim([{ fingerprint }]);
    expect(await redis.command('KEYS', '*')).toBe(key);
    expect(Number(await redis.command('PTTL', key))).toBeLessThanOrEqual(10_000);
    await one.state.confirm([{ fingerprint, token: tokenOf(claim), request: aRequest() }]);
    expect(await redis.command('KEYS', '*')).toBe(key);
    expect(Number(await redis.command('PTTL', key))).toBeGreaterThan(10_000);
    expect(Number(await redis.command('PTTL', key))).toBeLessThanOrEqual(300_000);
  });

  async function scriptCalls(): Promise<number> {
    const calls = await redis.commandCalls();
    return (calls.get('evalsha') ?? 0) + (calls.get('eval') ?? 0);
  }
});

describe('a database other than the first', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  it('is used for everything', async () => {
    const { state, connection, close } = connectState({ addr: redis.addr, db: 3 });
    await connection.whenUp();
    await state.claim([{ fingerprint: aFingerprint() }]);
    expect(await redis.command('-n', '3', 'DBSIZE')).toBe('2');
    expect(await redis.command('-n', '0', 'DBSIZE')).toBe('0');
    await close();
  });

  it('is missed rather than replaced when Redis does not have it', async () => {
    const { connection, changes, close } = connectState({ addr: redis.addr, db: 99 });
    await until(() => changes.length > 0);
    expect(connection.status).toEqual({ up: false, reason: 'no such database' });
    await close();
  });
});

function tokenOf(claim: Claim | undefined): string {
  if (claim?.outcome !== 'new') throw new Error(`expected a new claim, got ${claim?.outcome}`);
  return claim.token;
}
