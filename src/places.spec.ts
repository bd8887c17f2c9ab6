import { DeadlineExceededError, deadlineIn } from './deadline';
import { Places } from './places';

describe('Places', () => {
  const gates: PromiseWithResolvers<void>[] = [];
  const begun: number[] = [];
  const work = (i: number) => () => {
    begun.push(i);
    gates[i] = Promise.withResolvers<void>();
    return gates[i].promise;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    gates.length = 0;
    begun.length = 0;
  });

  it('begins what has a place at once, and the rest in the order of coming', async () => {
    const places = new Places(2);
    const all = [0, 1, 2, 3].map((i) => places.run(work(i)));
    expect(begun).toEqual([0, 1]);
    gates[1]?.resolve();
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    gates[0]?.reject(new Error('broken'));
    await expect(all[0]).rejects.toThrow('broken');
    await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
    expect(places.inUse).toBe(2);
    gates[2]?.resolve();
    gates[3]?.resolve();
    await Promise.all(all.slice(1));
    expect(places.inUse).toBe(0);
  });

  it('lets nobody wait beyond a deadline, and loses no place by that', async () => {
    const places = new Places(1);
    const first = places.run(work(0));
    await expect(places.run(work(1), deadlineIn(10).signal)).rejects.toBeInstanceOf(DeadlineExceededError);
    const third = places.run(work(2), deadlineIn(60_000).signal);
    gates[0]?.resolve();
    await first;
    await turn();
    expect(begun).toEqual([0, 2]);
    gates[2]?.resolve();
    await third;
    expect(places.inUse).toBe(0);
  });

  it('gives several to who is large, and lets nobody overtake whoever waits for them', async () => {
    const places = new Places(4);
    const entered: string[] = [];
    const enter = (name: string, size: number, deadline?: AbortSignal) =>
      places.enter(deadline, size).then(() => void entered.push(name));
    expect(places.enterNow(3)).toBe(true);
    const large = enter('large', 2);
    expect(places.enterNow(1)).toBe(false);
    const small = enter('small', 1);
    expect(places.waitingCount).toBe(2);
    places.leave(3);
    await Promise.all([large, small]);
    expect(entered).toEqual(['large', 'small']);
    expect([places.inUse, places.enterNow(2), places.enterNow(1)]).toEqual([3, false, true]);
  });

  it('lets in who fits when one who does not gives up', async () => {
    const places = new Places(2);
    expect(places.enterNow(1)).toBe(true);
    const given = new AbortController();
    const large = places.enter(given.signal, 2);
    const small = places.enter(undefined, 1);
    given.abort();
    await expect(large).rejects.toBeInstanceOf(DeadlineExceededError);
    await small;
    expect(places.inUse).toBe(2);
  });

  it('passes on the place of one whose turn and deadline come together', async () => {
    const places = new Places(1);
    const given = new AbortController();
    const first = places.run(work(0));
    const late = places.run(work(1), given.signal);
    const last = places.run(work(2));
    gates[0]?.resolve();
    given.abort();
    await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);
    await first;
    await turn();
    expect(begun).toEqual([0, 2]);
    gates[2]?.resolve();
    await last;
    expect(places.inUse).toBe(0);
  });
});
