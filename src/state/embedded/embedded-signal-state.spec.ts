import { EmbeddedSignalState } from './embedded-signal-state';

describe('EmbeddedSignalState', () => {
  let now = Date.parse('2025-10-04T10:00:00Z');
  const lives = { ttlMs: 300_000, leaseMs: 10_000, cleanupIntervalMs: 60_000 };
  const request = { namespace: 'prod', name: 'remediation-a' };
  let state: EmbeddedSignalState;

  beforeEach(() => {
    jest.useFakeTimers();
    state = new EmbeddedSignalState({ ...lives, clock: { now: () => now }, maxFingerprints: 3 });
  });
  afterEach(() => {
    state.close();
    jest.useRealTimers();
  });

  const enter = async (fingerprint: string): Promise<void> => {
    await state.confirm([{ fingerprint, token: 'embedded-test', request }]);
  };

  it('forgets the least recently seen when it is full', async () => {
    for (const fingerprint of ['a', 'b', 'c']) await enter(fingerprint);
    await state.claim([{ fingerprint: 'a' }]);
    await enter('d');
    const entries = await state.find(['a', 'b', 'c', 'd']);
    expect(entries).toMatchObject([{ count: 2 }, undefined, { count: 1 }, { count: 1 }]);
    expect(state.size).toBe(3);
  });

  it('does not take a look for a sighting', async () => {
    for (const fingerprint of ['a', 'b', 'c']) await enter(fingerprint);
    await state.find(['a']);
    await enter('d');
    expect(await state.find(['a'])).toEqual([undefined]);
  });

  it('removes what has expired at every interval', async () => {
    await enter('a');
    await state.claim([{ fingerprint: 'b' }]);
    expect(state.size).toBe(2);

    now += lives.leaseMs + 1;
    jest.advanceTimersByTime(lives.cleanupIntervalMs);
    expect(state.size).toBe(1);

    now += lives.ttlMs;
    jest.advanceTimersByTime(lives.cleanupIntervalMs);
    expect(state.size).toBe(0);
  });

  it('leaves no timer behind', () => {
    expect(jest.getTimerCount()).toBe(1);
    state.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});
