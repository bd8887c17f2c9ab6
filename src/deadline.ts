/** The time that an answer may take is over. A retry can heal it. */
export class DeadlineExceededError extends Error {
  override readonly name = 'DeadlineExceededError';

  constructor() {
    super('the deadline has passed');
  }
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
