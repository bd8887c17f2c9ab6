import { DeadlineExceededError } from './deadline';

/**
 * Places for what may be under way at the same time. Who finds none waits for one, in the order of coming.
 *
 * By hand: the library for it makes six promises for each piece of work, also where nobody has to wait (a twentieth of the memory that
 * a new alert costs), and cannot give up a place in its queue at a deadline.
 */
export class Places {
  private taken = 0;
  private readonly waiting = new Set<() => void>();

  /** @param count a whole number, at least 1 */
  constructor(private readonly count: number) {}

  get inUse(): number {
    return this.taken;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /**
   * Does the work when there is a place. If there is one now, it begins before this returns, whatever the deadline.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  async run<T>(work: () => Promise<T>, deadline?: AbortSignal): Promise<T> {
    const turn = this.enter(deadline);
    if (turn !== undefined) await turn;
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /**
   * Takes a place, at once where there is one; else it has one when this resolves. Who has one must `leave`.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  enter(deadline?: AbortSignal): Promise<void> | undefined {
    if (this.taken === this.count) return this.turn(deadline);
    this.taken++;
    return undefined;
  }

  /** The place goes to who has waited longest, if anybody waits. */
  leave(): void {
    const [next] = this.waiting;
    if (next === undefined) this.taken--;
    else {
      this.waiting.delete(next);
      next();
    }
  }

  /** One promise and no more, for beside a slow API server most creates wait. */
  private turn(deadline: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = () => {
        deadline?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.waiting.delete(next);
        reject(new DeadlineExceededError());
      };
      if (deadline?.aborted) {
        giveUp();
        return;
      }
      this.waiting.add(next);
      deadline?.addEventListener('abort', giveUp, { once: true });
    });
  }
}
