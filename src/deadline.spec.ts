import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { beforeDeadline, DeadlineExceededError, deadlineIn, remainingMs } from './deadline';

const forEver = new Promise<never>(() => undefined);

describe('beforeDeadline', () => {
  it('answers what the work answers', async () => {
    await expect(beforeDeadline(Promise.resolve('done'), new AbortController().signal)).resolves.toBe('done');
  });

  it('fails as the work fails', async () => {
    const failure = new Error('no luck');
    await expect(beforeDeadline(Promise.reject(failure), new AbortController().signal)).rejects.toBe(failure);
  });

  it('fails when the deadline comes first', async () => {
    const deadline = new AbortController();
    const answer = beforeDeadline(forEver, deadline.signal);
    deadline.abort();
    await expect(answer).rejects.toBeInstanceOf(DeadlineExceededError);
  });

  it('fails at once when the deadline has passed, even if the work is done', async () => {
    await expect(beforeDeadline(Promise.resolve('done'), AbortSignal.abort())).rejects.toThrow(
      'the deadline has passed',
    );
  });

  it.each(['before', 'after'])('keeps a failure to itself that comes %s the deadline and too late', async (when) => {
    const unhandled = jest.fn();
    process.once('unhandledRejection', unhandled);
    const deadline = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    if (when === 'before') deadline.abort();
    const answer = beforeDeadline(promise, deadline.signal);
    deadline.abort();
    await expect(answer).rejects.toBeInstanceOf(DeadlineExceededError);
    reject(new Error('too late'));
    await setImmediate();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('leaves no listener on a deadline that outlives the work', async () => {
    const { signal } = new AbortController();
    for (let i = 0; i < 100; i++) await beforeDeadline(Promise.resolve(i), signal);
    await setImmediate();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('deadlineIn', () => {
  it('aborts when the time is over, and tells how much is left', async () => {
    const { signal } = deadlineIn(30);
    expect(remainingMs(signal)).toBeGreaterThan(0);
    expect(remainingMs(signal)).toBeLessThanOrEqual(30);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    expect(remainingMs(signal)).toBe(0);
  });

  it('never comes once it is cleared', async () => {
    const deadline = deadlineIn(5);
    deadline.clear();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(deadline.signal.aborted).toBe(false);
  });

  it('knows no end of signals that others made', () => {
    expect(remainingMs(undefined)).toBe(Number.POSITIVE_INFINITY);
    expect(remainingMs(new AbortController().signal)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('what is done when a deadline ends', () => {
  it('is done once, before its listeners hear of it', async () => {
    const done: string[] = [];
    const deadline = deadlineIn(1);
    deadline.onEnd = () => done.push('onEnd');
    await new Promise<void>((resolve) => {
      deadline.signal.addEventListener('abort', () => {
        done.push('abort');
        resolve();
      });
    });
    expect(done).toEqual(['onEnd', 'abort']);
  });

  it('is not kept when there is nothing left to be done', () => {
    const deadline = deadlineIn(60_000);
    deadline.onEnd = () => undefined;
    deadline.clear();
    expect(deadline.onEnd).toBeUndefined();
  });
});
