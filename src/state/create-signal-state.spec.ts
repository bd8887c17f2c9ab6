import { systemClock } from '../clock';
import { createSignalState, type RedisStateOptions, type SignalStateOptions } from './create-signal-state';
import { StateUnavailableError } from './signal-state';

describe('createSignalState', () => {
  const options: SignalStateOptions = {
    ttlMs: 300_000,
    cleanupIntervalMs: 60_000,
    clock: systemClock,
    onRedisChange: () => undefined,
  };
  const redis: RedisStateOptions = {
    // Nothing listens on this port.
    addr: '127.0.0.1:1',
    db: 0,
    dialTimeoutMs: 1_000,
    commandTimeoutMs: 250,
    onFailure: 'degrade',
    keyPrefix: 'gateway',
  };

  it.each([
    ['no Redis is configured', undefined],
    ['its address is empty', { ...redis, addr: '' }],
    ['it cannot be reached and may be done without', redis],
  ])('remembers in this process when %s', async (_, configured) => {
    const { state, size, close } = createSignalState({ ...options, redis: configured });
    expect((await state.claim([{ fingerprint: 'a' }]))[0]?.outcome).toBe('new');
    expect((await state.claim([{ fingerprint: 'a' }]))[0]).toMatchObject({
      outcome: 'pending',
      leaseMs: expect.closeTo(10_000, -3),
    });
    expect(size()).toBe(1);
    await close();
  });

  it('fails when Redis cannot be reached and may not be done without', async () => {
    const { state, size, close } = createSignalState({ ...options, redis: { ...redis, onFailure: 'reject' } });
    await expect(state.claim([{ fingerprint: 'a' }])).rejects.toThrow(StateUnavailableError);
    expect(size()).toBe(0);
    await close();
  });

  it('has a connection to show when there is a Redis', async () => {
    const embedded = createSignalState(options);
    const shared = createSignalState({ ...options, redis });
    expect(embedded.connection).toBeUndefined();
    expect(shared.connection?.status).toEqual({ up: false, reason: 'not connected yet' });
    await Promise.all([embedded.close(), shared.close()]);
  });

  it('refuses what is not an address at once', () => {
    expect(() => createSignalState({ ...options, redis: { ...redis, addr: 'redis:port' } })).toThrow('Invalid URL');
  });
});
