import { assert, array, integer, property } from 'fast-check';
import { FakeClock } from '../../test/support/fake-clock';
import { TokenBuckets } from './token-buckets';

const second = 1_000;

describe('TokenBuckets', () => {
  let clock: FakeClock;
  let buckets: TokenBuckets;
  const takeMany = (count: number, key = 'a') => Array.from({ length: count }, () => buckets.take(key));

  beforeEach(() => {
    clock = new FakeClock();
    buckets = new TokenBuckets(clock, { capacity: 10, perMinute: 100 });
  });

  it('lets a burst of 10 in, and tells the 11th how long to wait', () => {
    expect(takeMany(11)).toEqual([...Array.from({ length: 10 }, () => 0), 600]);
  });

  it('lets one in when it has waited as long as it was told', () => {
    const wait = takeMany(11).at(-1)!;
    clock.advance(wait);
    expect(takeMany(2)).toEqual([0, 600]);
    clock.advance(wait / 2);
    expect(buckets.take('a')).toBe(wait / 2);
  });

  it('lets in at the rate who never pauses', () => {
    let letIn = 0;
    for (let elapsed = 0; elapsed < 60 * second; elapsed += 10) {
      if (buckets.take('a') === 0) letIn++;
      clock.advance(10);
    }
    expect(letIn).toBe(10 + 99);
  });

  it('holds no more than a burst, however long the pause', () => {
    clock.advance(24 * 3_600 * second);
    expect(takeMany(11).at(-1)).toBe(600);
  });

  it('keeps addresses apart', () => {
    takeMany(11, 'a');
    expect(buckets.take('b')).toBe(0);
  });

  it('takes back what should not have been charged, and no more than a burst', () => {
    takeMany(11);
    buckets.giveBack('a');
    expect(takeMany(2)).toEqual([0, 600]);
    for (let i = 0; i < 100; i++) buckets.giveBack('a');
    buckets.giveBack('never seen');
    for (const key of ['a', 'never seen']) {
      const waits = Array.from({ length: 11 }, () => buckets.take(key));
      expect(waits.filter((ms) => ms === 0)).toHaveLength(10);
    }
  });

  it('is not confused by a clock that is set back', () => {
    takeMany(10);
    clock.advance(-3_600 * second);
    expect(buckets.take('a')).toBeGreaterThan(0);
    clock.advance(600);
    expect(buckets.take('a')).toBe(0);
  });

  it('remembers a bounded number of addresses, the least recently seen forgotten first', () => {
    takeMany(11, 'regular');
    for (let i = 0; i < 200_000; i++) {
      buckets.take(`address-${i}`);
      if (i % 10_000 === 0) buckets.take('regular');
    }
    expect(buckets.count).toBe(50_000);
    expect(buckets.take('regular')).toBeGreaterThan(0);
    for (let i = 0; i < 10; i++) expect(buckets.take('address-0')).toBe(0);
  });

  it('never lets in more than a burst and the rate', () => {
    assert(
      property(array(integer({ min: 0, max: 5_000 }), { maxLength: 200 }), (pauses) => {
        const time = new FakeClock();
        const fresh = new TokenBuckets(time, { capacity: 10, perMinute: 100 });
        const began = time.now();
        let count = 0;
        for (const pause of pauses) {
          if (fresh.take('a') === 0) count++;
          time.advance(pause);
        }
        expect(count).toBeLessThanOrEqual(10 + ((time.now() - began) * 100) / 60_000);
      }),
    );
  });
});
