import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel';
import { setTimeout as delay } from 'node:timers/promises';
import { remainingMs } from '../deadline';
import type { LogSink } from '../logging/log-sink';
import { KubernetesApiError } from './kubernetes-api.error';

export type CircuitName = 'closed' | 'open' | 'half-open';

const maxRetries = 2;
const firstPauseMs = 50;
const maxPauseMs = 400;
/** A server that asks to stay away for longer is not waited for. */
const maxRetryAfterMs = 5_000;
/** What a call needs at the least: a retry that has less before the deadline is not begun. */
const leastCallMs = 100;
/** So many calls without an answer in a row suspend all others. */
const failuresThatOpen = 5;
const firstSuspensionMs = 1_000;
const maxSuspensionMs = 10_000;

/**
 * What is done about an API server that has trouble.
 *
 * A call that can succeed when it is repeated is repeated, within its caller's deadline: after a pause with jitter, or as
 * long as the server asks for. Every call of ours may be: reads change nothing, creates go by a computed name, and patches
 * name the version that they are for. When one call after the other gets no answer, the circuit opens: calls fail at
 * once, and from time to time one is let through as a probe.
 */
export class CallResilience {
  private readonly breaker: CircuitBreakerPolicy = circuitBreaker(
    handleWhen((error) => isOutage(error, this.breaker.state === CircuitState.HalfOpen)),
    {
      breaker: new ConsecutiveBreaker(failuresThatOpen),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: firstSuspensionMs, maxDelay: maxSuspensionMs }),
    },
  );

  /** Whether the last call had an answer: then the breaker has nothing to count, and its own way to a call costs as much as the call. */
  private isAnswering = true;

  constructor(log: LogSink) {
    let told = false;
    this.breaker.onBreak((reason) => {
      // A probe that fails opens it again: nothing has changed then.
      if (told) return;
      told = true;
      const cause = 'error' in reason ? String(reason.error) : '';
      log.error({ dependency: 'kubernetes', reason: cause }, 'the API server does not answer: calls are suspended');
    });
    this.breaker.onReset(() => {
      told = false;
      log.info({ dependency: 'kubernetes' }, 'the API server answers again');
    });
  }

  get circuit(): CircuitName {
    switch (this.breaker.state) {
      case CircuitState.Open:
      case CircuitState.Isolated:
        return 'open';
      case CircuitState.HalfOpen:
        return 'half-open';
      case CircuitState.Closed:
        return 'closed';
    }
  }

  /** @throws KubernetesApiError */
  async execute<T>(
    attempt: () => Promise<T>,
    { signal: deadline, repeat = true }: { readonly signal?: AbortSignal | undefined; readonly repeat?: boolean } = {},
  ): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        // The policy would have others wait for the probe, beyond their own deadlines.
        if (this.breaker.state === CircuitState.HalfOpen) throw suspended();
        return await this.attemptOnce(attempt, deadline);
      } catch (caught) {
        const error = caught instanceof BrokenCircuitError ? suspended() : caught;
        if (!repeat || retries === maxRetries || !isWorthRepeating(error, deadline)) throw error;
        await delay(pauseAfter(error, retries));
      }
    }
  }

  private async attemptOnce<T>(attempt: () => Promise<T>, deadline: AbortSignal | undefined): Promise<T> {
    if (!this.isAnswering || this.breaker.state !== CircuitState.Closed) return this.throughBreaker(attempt, deadline);
    let value: T;
    try {
      value = await attempt();
    } catch (error) {
      if (!isAnswer(error)) this.isAnswering = false;
      if (!this.mustBeTold) throw error;
      return this.throughBreaker<T>(() => {
        throw error;
      }, undefined);
    }
    return this.mustBeTold ? this.throughBreaker(() => value, undefined) : value;
  }

  /**
   * The breaker counts what had no answer in a row: it has to hear of one more, or of what ends the row. Not of what began before
   * it opened, which would count as the probe.
   */
  private get mustBeTold(): boolean {
    return !this.isAnswering && this.circuit === 'closed';
  }

  /** A refusal is an answer: for the policy, which takes every error for none, it has to look like a success. */
  private async throughBreaker<T>(attempt: () => T | Promise<T>, deadline: AbortSignal | undefined): Promise<T> {
    const answered = await this.breaker.execute(
      async (): Promise<{ readonly value: T } | { readonly refusal: unknown }> => {
        try {
          return { value: await attempt() };
        } catch (error) {
          if (!isAnswer(error)) throw error;
          return { refusal: error };
        }
      },
      deadline,
    );
    this.isAnswering = true;
    if ('refusal' in answered) throw answered.refusal;
    return answered.value;
  }
}

/** With jitter, so that replicas do not come back all at once. Never shorter than the server asks for. */
function pauseAfter(error: unknown, retries: number): number {
  const asked = error instanceof KubernetesApiError ? error.retryAfterMs : undefined;
  if (asked !== undefined) return asked * (1 + Math.random() / 10);
  return Math.min(firstPauseMs * 2 ** retries, maxPauseMs) * (0.5 + Math.random() / 2);
}

/** Nobody was asked, so it is not repeated either. */
function suspended(): KubernetesApiError {
  return new KubernetesApiError('unavailable', 'the API server does not answer: calls are suspended', undefined, {
    abandoned: true,
  });
}

function isWorthRepeating(error: unknown, deadline: AbortSignal | undefined): boolean {
  if (!(error instanceof KubernetesApiError) || error.abandoned) return false;
  if (error.failure !== 'unavailable' && error.failure !== 'overloaded') return false;
  if ((error.retryAfterMs ?? 0) > maxRetryAfterMs) return false;
  return remainingMs(deadline) > (error.retryAfterMs ?? maxPauseMs) * 1.1 + leastCallMs;
}

/**
 * No answer, or one that says that the server itself cannot. A caller that gave up early says nothing about the server;
 * as a probe it does not prove that the server is well.
 */
function isOutage(error: unknown, isProbe: boolean): boolean {
  if (!(error instanceof KubernetesApiError) || error.failure !== 'unavailable' || error.serverAnswers) return false;
  return isProbe || !error.abandoned;
}

/** Whether the server is well, whatever it thinks of the call. */
function isAnswer(error: unknown): boolean {
  return error instanceof KubernetesApiError && (error.failure !== 'unavailable' || error.serverAnswers);
}
