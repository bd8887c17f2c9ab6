import { setTimeout as delay } from 'node:timers/promises';

/** Repeats a check until it passes; its last failure is the spec's. */
export async function eventually(check: () => unknown, withinMs = 15_000): Promise<void> {
  const until = Date.now() + withinMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await delay(50);
    }
  }
}
