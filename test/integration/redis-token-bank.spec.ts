import { setTimeout as delay } from 'node:timers/promises';
import { StateUnavailableError } from '../../src/state/signal-state';
import { connectState, type ConnectedState } from '../support/redis-client';
import { RedisServer } from '../support/redis-server';

describe('token buckets that replicas share in Redis', () => {
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

  const slow = { capacity: 10, perMinute: 6 };
  const withdraw = (state: ConnectedState, key: string, tokens = 1, size = slow) =>
    state.bank!.withdraw(key, tokens, size);

  it('hold a burst for all of them, and say how long there will be nothing', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => withdraw(i % 2 ? one : other, 'burst')));
    expect(answers.filter(({ granted }) => granted === 1)).toHaveLength(10);
    const { granted, waitMs } = await withdraw(one, 'burst');
    expect(granted).toBe(0);
    expect(waitMs).toBeGreaterThan(8_000);
    expect(waitMs).toBeLessThanOrEqual(10_000);
  });

  it('are filled again by the time of Redis, and have a token when its wait is over', async () => {
    const fast = { capacity: 2, perMinute: 600 };
    for (let round = 0; round < 5; round++) {
      let answer = await withdraw(one, 'refill', 1, fast);
      while (answer.granted > 0) answer = await withdraw(one, 'refill', 1, fast);
      expect(answer.waitMs).toBeLessThanOrEqual(100);
      await delay(answer.waitMs + 2);
      expect(await withdraw(other, 'refill', 1, fast)).toEqual({ granted: 1, waitMs: 0 });
    }
  });

  it('give no more than a quarter of what is left at once, and the last one', async () => {
    const size = { capacity: 100, perMinute: 1 };
    expect(await withdraw(one, 'portions', 20, size)).toEqual({ granted: 20, waitMs: 0 });
    expect(await withdraw(one, 'portions', 50, size)).toEqual({ granted: 20, waitMs: 0 });
    expect(await withdraw(one, 'portions', 50, size)).toEqual({ granted: 15, waitMs: 0 });
    let taken = 55;
    while ((await withdraw(one, 'portions', 50, size)).granted > 0) taken++;
    expect(taken).toBeLessThanOrEqual(100);
    expect(await withdraw(one, 'portions', 50, size)).toMatchObject({ granted: 0 });
  });

  it('take back what is put back, and hold no more than a burst', async () => {
    await withdraw(one, 'deposit');
    await one.bank!.deposit('deposit', 5, slow);
    const answers = await Promise.all(Array.from({ length: 12 }, () => withdraw(other, 'deposit')));
    expect(answers.filter(({ granted }) => granted === 1)).toHaveLength(10);
  });

  it('are keys that end by themselves when the bucket is full, and name nobody', async () => {
    await redis.flush();
    await withdraw(one, 'system:serviceaccount:monitoring:alertmanager');
    const key = await redis.command('KEYS', '*');
    expect(key).toMatch(/^gateway:v1:limit:\{[0-9a-f]{32}\}$/);
    const lifeMs = Number(await redis.command('PTTL', key));
    expect(lifeMs).toBeGreaterThan(5_000);
    expect(lifeMs).toBeLessThanOrEqual(10_001);
  });

  it('say that they cannot be asked', async () => {
    const away = connectState({ addr: '127.0.0.1:1' });
    await expect(withdraw(away, 'a')).rejects.toThrow(StateUnavailableError);
    await expect(away.bank!.deposit('a', 1, slow)).rejects.toThrow(StateUnavailableError);
    await away.close();
  });
});
