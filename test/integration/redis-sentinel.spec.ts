import { setTimeout as delay } from 'node:timers/promises';
import { StateUnavailableError } from '../../src/state/signal-state';
import { eventually } from '../support/eventually';
import { aFingerprint, aRequest } from '../support/incident';
import { connectState, type ConnectedState } from '../support/redis-client';
import { masterName, RedisWithSentinel } from '../support/redis-sentinel';

it('asks a Sentinel as the user that is configured for it, by his password', async () => {
  const redis = await RedisWithSentinel.start(['user default off', 'user watcher on >the-secret ~* &* +@all']);
  const as = (username: string, password: string) =>
    connectState({ addr: '', sentinel: { addrs: [redis.addr], master: masterName, username, password } });
  const opened = [as('watcher', 'the-secret'), as('watcher', 'another'), as('', 'the-secret')];
  try {
    const told = () => opened.map(({ changes }) => changes.map(({ up }) => up));
    await eventually(() => expect(told()).toEqual([[true], [false], [false]]));
  } finally {
    await Promise.all(opened.map(({ close }) => close()));
    await redis.stop();
  }
}, 30_000);

describe('the shared memory behind a Sentinel', () => {
  let redis: RedisWithSentinel;
  let opened: ConnectedState;

  beforeEach(async () => {
    redis = await RedisWithSentinel.start();
    opened = connectState({ addr: '', commandTimeoutMs: 1_000, sentinel: { addrs: [redis.addr], master: masterName } });
    await opened.connection.whenUp();
  }, 30_000);
  afterEach(async () => {
    await opened.close();
    await redis.stop();
  });

  const claim = (fingerprint = aFingerprint()) => opened.state.claim([{ fingerprint }]);

  it('is the primary that the Sentinel names', async () => {
    const before = Number(await redis.primary.command('DBSIZE'));
    await claim();
    expect(Number(await redis.primary.command('DBSIZE'))).toBe(before + 1);
  });

  it.each(['is killed', 'hangs'])(
    'goes on with the new primary when the old one %s, and never hangs',
    async (how) => {
      const known = aFingerprint();
      const [claimed] = await claim(known);
      const { token } = claimed as { token: string };
      await opened.state.confirm([{ fingerprint: known, token, request: aRequest() }]);
      await redis.primary.replicated();
      if (how === 'is killed') await redis.primary.stop();
      else redis.primary.pause();

      const until = performance.now() + 30_000;
      let failed = 0;
      for (;;) {
        const begin = performance.now();
        const answer = await claim().catch((error: unknown) => error);
        expect(performance.now() - begin).toBeLessThan(3_000);
        if (!(answer instanceof Error)) break;
        expect(answer).toBeInstanceOf(StateUnavailableError);
        failed++;
        if (performance.now() > until) throw answer;
        await delay(50);
      }
      expect(failed).toBeGreaterThan(0);
      expect(await redis.replica.command('ROLE')).toMatch(/^master/);
      // What had been replicated is known there, and what changed was told once each.
      expect(await claim(known)).toMatchObject([{ outcome: 'duplicate' }]);
      expect(opened.turns).toEqual([true, false, true]);
    },
    60_000,
  );
});
