import { Workload } from './workload';

describe('Workload', () => {
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  /** Works for half a second and more, and rests for `restMs` after every 10 ms of it. */
  const utilizationOf = async (restMs: number) => {
    const workload = new Workload();
    const begin = performance.now();
    while (performance.now() - begin < 600) {
      const until = performance.now() + 10;
      while (performance.now() < until);
      await wait(restMs);
    }
    return workload.utilization;
  };

  it('is all of the time of a process that never rests, and less of one that does', async () => {
    const [busy, idle] = [await utilizationOf(0), await utilizationOf(90)];
    expect(busy).toBeGreaterThan(0.8);
    expect(busy).toBeLessThanOrEqual(1);
    expect(idle).toBeLessThan(0.6);
    expect(idle).toBeGreaterThanOrEqual(0);
  });

  it('says nothing of less than half a second', async () => {
    const workload = new Workload();
    const until = performance.now() + 50;
    while (performance.now() < until);
    await wait(0);
    expect(workload.utilization).toBe(0);
  });
});
