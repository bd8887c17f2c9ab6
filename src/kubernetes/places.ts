import { beforeDeadline } from '../deadline';

/**
 * Places for what may be under way at the same time. Who finds none waits for one, in the order of coming.
 *
 * By hand: the library for it makes six promises for each piece of work, also where nobody has to wait (a twentieth of the memory that
 * a create costs).
 */
export class Places {
  private taken = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly count: number) {}

  get inUse(): number {
    return this.taken;
  }

  /**
   * Does the work when there is a place, at once if there is one.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  run<T>(work: () => Promise<T>, deadline?: AbortSignal): Promise<T> {
    if (this.taken === this.count) return this.runLater(work, deadline);
    this.taken++;
    return this.runNow(work);
  }

  private async runLater<T>(work: () => Promise<T>, deadline: AbortSignal | undefined): Promise<T> {
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    this.waiting.add(resolve);
    try {
      await (deadline === undefined ? turn : beforeDeadline(turn, deadline));
    } catch (error) {
      // Its turn may have come at the last moment.
      if (!this.waiting.delete(resolve)) this.passOn();
      throw error;
    }
    return this.runNow(work);
  }

  private async runNow<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.passOn();
    }
  }

  /** The place goes to who has waited longest, if anybody waits. */
  private passOn(): void {
    const [next] = this.waiting;
    if (next === undefined) this.taken--;
    else {
      this.waiting.delete(next);
      next();
    }
  }
}
