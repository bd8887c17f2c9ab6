import { AsyncLocalStorage } from 'node:async_hooks';
import { WriteSchedule } from './write-schedule';

describe('WriteSchedule', () => {
  let written: { readonly entry: string; readonly at: number }[];
  let schedule: WriteSchedule<string>;
  const begin = performance.now();
  const elapsed = () => performance.now() - begin;
  const names = () => written.map(({ entry }) => entry);

  const write = (entry: string) => {
    written.push({ entry, at: elapsed() });
    return Promise.resolve();
  };
  const never = () => false;

  beforeEach(() => {
    written = [];
    schedule = new WriteSchedule(write, never, { utilization: 0 });
  });
  afterEach(() => schedule.clear());
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const untilWritten = async (count: number) => {
    while (written.length < count) await wait(5);
  };

  it('writes what is due first, and nothing before it is due', async () => {
    const added = elapsed();
    schedule.add('late', 200);
    schedule.add('soon', 50);
    await untilWritten(2);
    expect(names()).toEqual(['soon', 'late']);
    // A timer may come a little early by this clock, never much.
    expect(written[0]!.at - added).toBeGreaterThan(48);
    expect(written[1]!.at - added).toBeGreaterThan(198);
  });

  it('writes on behalf of no request, whoever added the first entry', async () => {
    const requests = new AsyncLocalStorage<string>();
    const writers: (string | undefined)[] = [];
    const shared = new WriteSchedule<string>(() => {
      writers.push(requests.getStore());
      return Promise.resolve();
    });
    requests.run('r-1', () => shared.add('a', 0));
    requests.run('r-2', () => shared.add('b', 60));
    while (writers.length < 2) await wait(5);
    shared.clear();
    expect(writers).toEqual([undefined, undefined]);
  });

  it('writes an entry once, however often it is added before', async () => {
    for (let i = 0; i < 100; i++) schedule.add('a', i % 2 === 0 ? 20 : 60);
    await untilWritten(1);
    await wait(150);
    expect(names()).toEqual(['a']);
    schedule.add('a', 0);
    await untilWritten(2);
  });

  it('writes no more than a hundred a second, in the order in which they fell due', async () => {
    const entries = Array.from({ length: 30 }, (_, i) => String(i));
    for (const entry of entries) schedule.add(entry, 0);
    await untilWritten(30);
    expect(names()).toEqual(entries);
    // Four at once, each with a place of 40 ms: the last of 30 comes after seven others in its place.
    expect(written[29]!.at - written[0]!.at).toBeGreaterThan(7 * 40 - 20);
  });

  it.each([
    ['half of its time', 0.5, 2 * 40],
    ['most of its time', 0.8, 5 * 40],
    ['all of its time', 1, 200],
  ])('leaves the time to signals in a process that is busy for %s', async (_, utilization, placeMs) => {
    schedule = new WriteSchedule(write, never, { utilization });
    for (const entry of ['a', 'b', 'c', 'd', 'e']) schedule.add(entry, 0);
    await untilWritten(5);
    expect(written[3]!.at - written[0]!.at).toBeLessThan(40);
    expect(written[4]!.at - written[0]!.at).toBeGreaterThan(placeMs - 10);
  });

  it('comes at the earlier of two times', async () => {
    const added = elapsed();
    schedule.add('a', 5_000);
    schedule.add('a', 20);
    await untilWritten(1);
    expect(written[0]!.at - added).toBeLessThan(4_000);
  });

  it('lets what is urgent go first, at the pace of the writes alone', async () => {
    schedule = new WriteSchedule(write, (entry) => entry.startsWith('urgent'), { utilization: 0 });
    for (let i = 0; i < 20; i++) schedule.add(`count ${i}`, 0);
    for (let i = 0; i < 20; i++) schedule.add(`urgent ${i}`, 0);
    await untilWritten(40);
    expect(names().slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => `urgent ${i}`));
  });

  it('lets what is urgent start when writes have ended, whatever places they keep', async () => {
    schedule = new WriteSchedule(write, (entry) => entry.startsWith('urgent'), { utilization: 1 });
    for (let i = 0; i < 8; i++) schedule.add(`count ${i}`, 0);
    await untilWritten(4);
    for (let i = 0; i < 20; i++) schedule.add(`urgent ${i}`, 0);
    await untilWritten(24);
    expect(names().slice(4, 24)).toEqual(Array.from({ length: 20 }, (_, i) => `urgent ${i}`));
    await untilWritten(28);
  });

  it('goes on after it had nothing to do', async () => {
    schedule.add('a', 0);
    await untilWritten(1);
    await wait(100);
    schedule.add('b', 0);
    await untilWritten(2);
    expect(names()).toEqual(['a', 'b']);
  });

  it('writes nothing that was still to come when it is cleared', async () => {
    schedule.add('a', 20);
    schedule.clear();
    await wait(100);
    expect(written).toEqual([]);
  });
});
