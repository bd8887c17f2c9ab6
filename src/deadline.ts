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

export interface Deadline {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
  /** There is nothing left to be done in time. */
  clear(): void;
}

/** Ends in so many milliseconds; `remainingMs` tells how many are left. It keeps no process alive. */
export function deadlineIn(milliseconds: number): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), milliseconds).unref();
  (controller.signal as Ending)[endKey] = performance.now() + milliseconds;
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
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
