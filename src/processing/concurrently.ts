import pMap from 'p-map';

/** Calls of one webhook that are under way at once; others share the connections. */
const concurrentCalls = 16;

/** As `Promise.all` over what is made of each item, with no more than 16 under way at once. */
export function concurrently<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  // Few need no queue, and a queue costs more than a call that is answered from memory.
  return items.length <= concurrentCalls
    ? Promise.all(items.map(work))
    : pMap(items, work, { concurrency: concurrentCalls });
}
