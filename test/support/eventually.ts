import { setTimeout as delay } from 'node:timers/promises';

/** Repeats a check until it passes, and answers what it then does; its last failure is the spec's. */
export async function eventually<Answer>(check: () => Answer, withinMs = 15_000): Promise<Awaited<Answer>> {
  const until = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await delay(50);
    }
  }
}
