import { setTimeout as delay } from 'node:timers/promises';

/** Waits for what happens elsewhere; the time limit of the case is its own. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}
