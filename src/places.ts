import { DeadlineExceededError } from './deadline';

interface Waiter {
  readonly size: number;
  readonly goOn: () => void;
}

/**
 * Places for what may be under way at the same time. Who finds none waits, and is let in in the order of coming; what is large takes several.
 *
 * By hand: the library for it makes six promises for each piece of work, also where nobody has to wait (a twentieth of the memory that
 * a new alert costs), and cannot give up a place in its queue at a deadline.
 */
export class Places {
  private taken = 0;
  private readonly waiting = new Set<Waiter>();

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
    if (!this.enterNow()) await this.enter(deadline);
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /**
   * Takes places if they are free and nobody waits for one. Who has them must `leave`, with the same size.
   * @param size how many, not more than there are
   */
  enterNow(size = 1): boolean {
    if (this.waiting.size > 0 || this.taken + size > this.count) return false;
    this.taken += size;
    return true;
  }

  /**
   * Has the places when this resolves. One promise and no more, for beside a slow API server most creates wait.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  enter(deadline: AbortSignal | undefined, size = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      const goOn = () => {
        deadline?.removeEventListener('abort', giveUp);
        resolve();
      };
      const waiter = { size, goOn };
      const giveUp = () => {
        this.waiting.delete(waiter);
        reject(new DeadlineExceededError());
        // Those behind may need less.
        this.letIn();
      };
      if (deadline?.aborted) {
        giveUp();
        return;
      }
      this.waiting.add(waiter);
      deadline?.addEventListener('abort', giveUp, { once: true });
      this.letIn();
    });
  }

  leave(size = 1): void {
    this.taken -= size;
    this.letIn();
  }

  private letIn(): void {
    for (const waiter of this.waiting) {
      if (this.taken + waiter.size > this.count) return;
      this.waiting.delete(waiter);
      this.taken += waiter.size;
      waiter.goOn();
    }
  }
}
