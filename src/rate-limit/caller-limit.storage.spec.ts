import { FakeClock } from '../../test/support/fake-clock';
import { CallerLimitStorage } from './caller-limit.storage';
import { SharedLimit } from './shared-limit';

describe('CallerLimitStorage', () => {
  it('tells the guard who is over the limit and, in seconds, for how long', async () => {
    const size = { capacity: 2, perMinute: 6 };
    const limit = new SharedLimit(undefined, new FakeClock(), { kind: 'caller', size, onRefused: () => undefined });
    const storage = new CallerLimitStorage(limit);
    const hits = [];
    for (let i = 0; i < 3; i++) hits.push(await storage.increment('caller', 60_000, 6));
    expect(hits.map(({ isBlocked, timeToBlockExpire }) => [isBlocked, timeToBlockExpire])).toEqual([
      [false, 0],
      [false, 0],
      [true, 10],
    ]);
    expect((await storage.increment('another', 60_000, 6)).isBlocked).toBe(false);
  });
});
