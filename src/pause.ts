import { setTimeout as delay } from 'node:timers/promises';

/** Waits, and answers whether the time is over rather than that the signal cut it short. Milliseconds. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}

/** Half the time at least and all of it at most, so that replicas do not come back all at once. */
export function jittered(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random() / 2);
}
