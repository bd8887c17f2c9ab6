/** The time that an answer may take is over. A retry can heal it. */
export class DeadlineExceededError extends Error {
  override readonly name = 'DeadlineExceededError';

  constructor(options?: ErrorOptions) {
    super('the deadline has passed', options);
  }
}

/** When it ends, by the monotonic clock: on the signal itself, for a weak map costs its garbage collection. */
const endKey = Symbol('end');

type Ending = AbortSignal & { [endKey]?: number };

export class Deadline {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  /** Called when the time is over, before those who listen to the signal, which costs more. Whoever keeps the deadline keeps what it reaches. */
  onEnd: (() => void) | undefined = undefined;

  constructor(milliseconds: number) {
    this.signal = this.controller.signal;
    (this.signal as Ending)[endKey] = performance.now() + milliseconds;
    this.timer = setTimeout(() => {
      this.onEnd?.();
      this.controller.abort();
    }, milliseconds).unref();
  }

  /** Nobody waits for it any longer: it is over now. */
  end(): void {
    this.clear();
    this.controller.abort();
  }

  /** There is nothing left to be done in time. */
  clear(): void {
    clearTimeout(this.timer);
    this.onEnd = undefined;
  }
}

/** Ends in so many milliseconds; `remainingMs` tells how many are left. It keeps no process alive. */
export function deadlineIn(milliseconds: number): Deadline {
  return new Deadline(milliseconds);
}

/** Milliseconds until the deadline; infinite for a signal that `deadlineIn` did not make, 0 when it is over. */
export function remainingMs(deadline: AbortSignal | undefined): number {
  if (deadline === undefined) return Number.POSITIVE_INFINITY;
  if (deadline.aborted) return 0;
  return Math.max(0, ((deadline as Ending)[endKey] ?? Number.POSITIVE_INFINITY) - performance.now());
}

/** The result of `work`, or a `DeadlineExceededError` if the deadline comes first. The work itself is not stopped. */
export function beforeDeadline<T>(work: Promise<T>, deadline: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(new DeadlineExceededError());
    // Listened to in any case: a failure that comes too late for an answer must not end the process.
    work.then(resolve, reject).finally(() => deadline.removeEventListener('abort', expire));
    if (deadline.aborted) expire();
    else deadline.addEventListener('abort', expire, { once: true });
  });
}
