import { FakeClock } from '../../test/support/fake-clock';
import { FakeTokenBank } from '../../test/support/fake-token-bank';
import { SharedLimit } from './shared-limit';

describe('SharedLimit', () => {
  let clock: FakeClock;
  let bank: FakeTokenBank;
  let refused: number;

  beforeEach(() => {
    clock = new FakeClock();
    bank = new FakeTokenBank(clock);
    refused = 0;
  });

  const small = { capacity: 10, perMinute: 100 };
  const limit = (size = small, portion?: number) =>
    new SharedLimit(bank, clock, {
      kind: 'address',
      size,
      ...(portion === undefined ? {} : { portion }),
      onRefused: () => refused++,
    });
  const takeMany = async (from: readonly SharedLimit[], count: number, key = 'a') => {
    const waits: number[] = [];
    for (let i = 0; i < count; i++) waits.push(await from[i % from.length]!.take(key));
    return waits;
  };

  it('lets a burst in whichever replica is asked, and tells the next how long to wait', async () => {
    const waits = await takeMany([limit(), limit(), limit()], 11);
    expect(waits).toEqual([...Array.from({ length: 10 }, () => 0), 600]);
    expect(refused).toBe(1);
  });

  it('lets a burst in when all ask at once', async () => {
    const replicas = [limit(), limit(), limit()];
    const waits = await Promise.all(Array.from({ length: 300 }, async (_, i) => replicas[i % 3]!.take('a')));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
  });

  it('asks nobody while it knows that there is nothing, and lets in when the wait is over', async () => {
    const replica = limit();
    await takeMany([replica], 11);
    const { calls } = bank;
    expect(await takeMany([replica], 1_000)).toEqual(Array.from({ length: 1_000 }, () => 600));
    expect(bank.calls).toBe(calls);
    clock.advance(600);
    expect(await takeMany([replica], 2)).toEqual([0, 600]);
  });

  it('does not wait for a clock that is set back', async () => {
    const replica = limit();
    await takeMany([replica], 11);
    clock.advance(-3_600_000);
    const { calls } = bank;
    await replica.take('a');
    expect(bank.calls).toBe(calls + 1);
  });

  it('puts back what should not have been charged, for every replica', async () => {
    const [one, other] = [limit(), limit()];
    await takeMany([one, other], 12);
    one.giveBack('a');
    expect(await takeMany([one], 2)).toEqual([0, 600]);
  });

  it('keeps keys apart, and limits of other kinds', async () => {
    const other = new SharedLimit(bank, clock, { kind: 'caller', size: small, onRefused: () => undefined });
    await takeMany([limit()], 10, 'a');
    expect(await limit().take('b')).toBe(0);
    expect(await other.take('a')).toBe(0);
  });

  describe('in portions', () => {
    const large = { capacity: 1_000, perMinute: 6_000 };

    it('costs a call for many, and all replicas together take no more than there is', async () => {
      const replicas = [limit(large, 50), limit(large, 50), limit(large, 50)];
      const waits = await takeMany(replicas, 3_000);
      const letIn = waits.filter((wait) => wait === 0).length;
      expect(letIn).toBeLessThanOrEqual(1_000);
      expect(letIn).toBeGreaterThan(990);
      expect(bank.calls).toBeLessThan(150);
    });

    it('are at hand before the last is spent', async () => {
      const replica = limit(large, 50);
      await replica.take('a');
      for (let i = 0; i < 400; i++) {
        expect(replica.take('a')).toBe(0);
        if (i % 20 === 0) await new Promise(setImmediate);
      }
    });
  });

  describe('without the shared memory', () => {
    it('limits by itself', async () => {
      const replica = limit();
      bank.away = true;
      expect(await takeMany([replica], 11)).toEqual([...Array.from({ length: 10 }, () => 0), 600]);
      replica.giveBack('a');
      await new Promise(setImmediate);
      expect(await takeMany([replica], 2)).toEqual([0, 600]);
    });

    it('goes on with it when it is back', async () => {
      const [one, other] = [limit(), limit()];
      bank.away = true;
      await takeMany([one, other], 10);
      bank.away = false;
      expect((await takeMany([one, other], 11)).filter((wait) => wait === 0)).toHaveLength(10);
    });

    it('answers at once where there never was any', () => {
      const alone = new SharedLimit(undefined, clock, { kind: 'address', size: small, onRefused: () => refused++ });
      expect(Array.from({ length: 11 }, () => alone.take('a')).at(-1)).toBe(600);
      alone.giveBack('a');
      expect(alone.take('a')).toBe(0);
      expect([alone.count, refused]).toEqual([1, 1]);
    });

    it('does not hide a bug', async () => {
      jest.spyOn(bank, 'withdraw').mockRejectedValue(new TypeError('a bug'));
      await expect(limit().take('a')).rejects.toThrow('a bug');
    });
  });

  it('remembers a bounded number of keys', async () => {
    const replica = limit();
    for (let i = 0; i < 60_000; i++) await replica.take(`address-${i}`);
    expect(replica.count).toBe(50_000);
  });
});
