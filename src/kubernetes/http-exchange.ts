import type { Dispatcher } from 'undici';
import { Cohort } from '../cohort';
import { remainingMs } from '../deadline';

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface ExchangeLimits {
  /** How long it may take. Milliseconds. */
  readonly timeoutMs: number;
  /** When its caller must have an answer: it ends then at the latest. */
  readonly signal?: AbortSignal | undefined;
}

/** There was no whole answer in the time of an exchange. */
export class ExchangeTimeoutError extends Error {
  override readonly name = 'ExchangeTimeoutError';
}

/** Whoever asked does not wait for the answer any more. */
export class ExchangeAbandonedError extends Error {
  override readonly name = 'ExchangeAbandonedError';
}

/**
 * One request and its whole answer as text.
 *
 * The library's `request` makes a stream of every answer, and listens to a signal of its own for every time-out: together
 * half of what a call costs.
 * @throws ExchangeTimeoutError, ExchangeAbandonedError, and what the connection fails with
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  limits: ExchangeLimits,
): Promise<HttpAnswer> {
  // Nothing is sent for somebody who was told already that it failed: a create would come late, and by surprise.
  if (remainingMs(limits.signal) <= 0) return Promise.reject(new ExchangeAbandonedError('its caller waits no longer'));
  return new Promise((resolve, reject) => {
    dispatcher.dispatch(request, new Exchange(limits, resolve, reject));
  });
}

const answered = new Cohort();

class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private failure: Error | undefined;
  private statusCode = 0;
  private headers: HttpAnswer['headers'] = {};
  private readonly chunks: Buffer[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly limits: ExchangeLimits,
    private readonly resolve: (answer: HttpAnswer) => void,
    private readonly reject: (error: Error) => void,
  ) {
    const { timeoutMs, signal } = limits;
    const leftMs = remainingMs(signal);
    const timedOut = () => this.fail(new ExchangeTimeoutError(`none within ${timeoutMs} ms`));
    this.timer = setTimeout(leftMs <= timeoutMs ? this.abandon : timedOut, Math.min(leftMs, timeoutMs)).unref();
    // A deadline is known beforehand; what else a caller may give up for has to be heard of.
    if (leftMs === Number.POSITIVE_INFINITY) signal?.addEventListener('abort', this.abandon, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // It waited for a connection for too long.
    if (this.failure !== undefined) controller.abort(this.failure);
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number, headers: HttpAnswer['headers']): void {
    this.statusCode = statusCode;
    this.headers = headers;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.end();
    answered.join(() => this.answer());
  }

  private answer(): void {
    const { statusCode, headers, chunks } = this;
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    this.resolve({ statusCode, headers, text: body?.toString('utf8') ?? '' });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.end();
    this.reject(this.failure ?? error);
  }

  private readonly abandon = (): void => this.fail(new ExchangeAbandonedError('its caller waits no longer'));

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.end();
    this.reject(error);
    this.controller?.abort(error);
  }

  private end(): void {
    clearTimeout(this.timer);
    this.limits.signal?.removeEventListener('abort', this.abandon);
  }
}
