import { outsideRequests } from './outside-requests';

const waiting: (() => void)[] = [];

/**
 * Goes on with what arrived in one turn of the event loop together, in the order of coming, when the turn ends: webhooks that are
 * to be handled, answers of the API server, calls of Redis.
 *
 * One step is taken for all of them before the next one is, so that its code is fetched into the processor's caches once and
 * not for each of them. Who comes alone waits for nobody. The more there is to do, the more share a turn.
 * @param work must not throw; what it logs names no request unless it enters its scope
 */
export function atEndOfTurn(work: () => void): void {
  if (waiting.push(work) === 1) outsideRequests(setImmediate, runAll);
}

function runAll(): void {
  // What they hand in is for the next turn.
  for (const work of waiting.splice(0)) work();
}
