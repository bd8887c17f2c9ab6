import { DeadlineExceededError, deadlineIn } from './deadline';
import { Lanes } from './lanes';

describe('Lanes', () => {
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const begun: string[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return gate.promise;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    gates.clear();
    begun.length = 0;
  });

  it('keep places for others, however many come by one lane', async () => {
    const lanes = new Lanes({ places: 3, ofLane: 2 });
    const all = ['a1', 'a2', 'a3', 'b1'].map((name) => lanes.run(name.slice(0, 1), work(name), undefined));
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    expect([lanes.inUse, lanes.waitingCount, lanes.waitingForAll]).toEqual([3, 1, 0]);
    expect(['a', 'b', 'c'].map((lane) => lanes.waitingIn(lane))).toEqual([1, 0, 0]);
    gates.get('a1')?.resolve();
    await turn();
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    for (const { resolve } of gates.values()) resolve();
    await Promise.all(all);
    expect([lanes.inUse, lanes.waitingCount]).toEqual([0, 0]);
  });

  it('have who finds a place in his lane wait for one of all', async () => {
    const lanes = new Lanes({ places: 1, ofLane: 1 });
    const first = lanes.run('a', work('a1'), undefined);
    const second = lanes.run('b', work('b1'), undefined);
    expect([lanes.waitingCount, lanes.waitingForAll, lanes.waitingIn('b')]).toEqual([1, 1, 0]);
    gates.get('a1')?.reject(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await turn();
    expect(begun).toEqual(['a1', 'b1']);
    gates.get('b1')?.resolve();
    await second;
  });

  it('take several places of a lane, and of all, for who is large', async () => {
    const lanes = new Lanes({ places: 4, ofLane: 2 });
    const large = lanes.enterNow('a', 2);
    expect([lanes.enterNow('a'), lanes.enterNow('b')?.leave(), lanes.inUse]).toEqual([undefined, undefined, 2]);
    const next = lanes.enter('a', undefined, 2);
    lanes.enterNow('b', 2);
    expect([lanes.enterNow('c'), lanes.inUse, lanes.waitingIn('a')]).toEqual([undefined, 4, 1]);
    large?.leave();
    (await next).leave();
    expect([lanes.inUse, lanes.waitingCount]).toEqual([2, 0]);
  });

  it('give the place in a lane back when the deadline comes before one of all', async () => {
    const lanes = new Lanes({ places: 1, ofLane: 1 });
    const first = lanes.run('a', work('a1'), undefined);
    await expect(lanes.run('b', work('b1'), deadlineIn(10).signal)).rejects.toBeInstanceOf(DeadlineExceededError);
    const last = lanes.run('b', work('b2'), undefined);
    gates.get('a1')?.resolve();
    await first;
    await turn();
    expect(begun).toEqual(['a1', 'b2']);
    gates.get('b2')?.resolve();
    await last;
    expect([lanes.inUse, lanes.waitingCount]).toEqual([0, 0]);
  });
});
