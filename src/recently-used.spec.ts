import { recentlyUsed } from './recently-used';

describe('recentlyUsed', () => {
  it('forgets what was not used for longest', () => {
    const cache = recentlyUsed<string, number>(3);
    for (const [i, key] of ['a', 'b', 'c'].entries()) cache.set(key, i);
    cache.get('a');
    cache.set('d', 3);
    cache.set('d', 4);
    expect([...cache.entries()]).toEqual([
      ['d', 4],
      ['a', 0],
      ['c', 2],
    ]);
    for (let i = 0; i < 1_000; i++) cache.set(`k${i}`, i);
    expect([cache.size, cache.get('k999'), cache.get('k996')]).toEqual([3, 999, undefined]);
  });

  it('takes the other options of the library', () => {
    let now = 1;
    const cache = recentlyUsed<string, number>(3, { ttl: 10, ttlResolution: 0, perf: { now: () => now } });
    cache.set('a', 1);
    now += 11;
    expect(cache.get('a')).toBeUndefined();
  });

  it('makes no room for what is not there', () => {
    const before = process.memoryUsage();
    const cache = recentlyUsed<string, number>(1_000_000);
    const after = process.memoryUsage();
    expect(cache.size).toBe(0);
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(2 ** 20);
  });
});
