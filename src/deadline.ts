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
    if (deadline.aborted) {
      expire();
      return;
    }
    deadline.addEventListener('abort', expire, { once: true });
    work.then(resolve, reject).finally(() => deadline.removeEventListener('abort', expire));
  });
}
