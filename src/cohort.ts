import { outsideRequests } from './outside-requests';

/** So many turns of the event loop more are waited for while others keep joining. */
const maxTurnsMore = 3;

/**
 * Goes on with work of one kind together: requests that arrived, or answers of the API server.
 *
 * Each step is taken for all of them before the next one is, so that its code is fetched into the processor's caches once and not for
 * each of them, which is most of what a webhook costs where memory is slow. (Cohort scheduling: J. R. Larus and M. Parkes,
 * USENIX Annual Technical Conference 2002.) Who comes alone goes on when the turn of the event loop ends; the more there is
 * to do, the more go together. Measured in ADR 0010.
 */
export class Cohort {
  private waiting: (() => void)[] = [];
  private seen = 1;
  private turnsMore = 0;

  /** @param work is begun in the order of joining; it must not throw, and what it logs names no request unless it enters its scope */
  join(work: () => void): void {
    if (this.waiting.push(work) === 1) outsideRequests(setImmediate, this.endTurn);
  }

  private readonly endTurn = (): void => {
    const { waiting } = this;
    if (waiting.length > this.seen && this.turnsMore < maxTurnsMore) {
      this.seen = waiting.length;
      this.turnsMore++;
      setImmediate(this.endTurn);
      return;
    }
    this.waiting = [];
    this.seen = 1;
    this.turnsMore = 0;
    for (const work of waiting) work();
  };
}
