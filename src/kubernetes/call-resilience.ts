import { remainingMs } from '../deadline';
import type { LogSink } from '../logging/log-sink';
import { jittered, pause } from '../pause';
import { Circuit, type CircuitName, type Verdict } from './circuit';
import { KubernetesApiError } from './kubernetes-api.error';

const maxRetries = 2;
const firstPauseMs = 50;
const maxPauseMs = 400;
/** A server that asks to stay away for longer is not waited for. */
const maxRetryAfterMs = 5_000;
/** What a call needs at the least: a retry that has less before the deadline is not begun. */
const leastCallMs = 100;

/**
 * What is done about an API server that has trouble.
 *
 * A call that can succeed when it is repeated is repeated, within its caller's deadline: after a pause with jitter, or as
 * long as the server asks for. Every call of ours may be: reads change nothing, creates go by a computed name, and patches
 * name the version that they are for. When one call after the other gets no answer, the circuit opens: calls fail at
 * once, and from time to time one is let through as a probe.
 */
export class CallResilience {
  private readonly breaker: Circuit;

  constructor(log: LogSink) {
    this.breaker = new Circuit(log);
  }

  get circuit(): CircuitName {
    return this.breaker.state;
  }

  /** @throws KubernetesApiError */
  async execute<T>(
    attempt: () => Promise<T>,
    { signal: deadline, repeat = true }: { readonly signal?: AbortSignal | undefined; readonly repeat?: boolean } = {},
  ): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.attemptOnce(attempt);
      } catch (error) {
        if (!repeat || retries === maxRetries || !isWorthRepeating(error, deadline)) throw error;
        if (!(await pause(pauseAfter(error, retries), deadline))) throw error;
      }
    }
  }

  private async attemptOnce<T>(attempt: () => Promise<T>): Promise<T> {
    const entered = this.breaker.enter();
    if (entered === 'suspended') throw suspended();
    try {
      const value = await attempt();
      this.breaker.tell(entered, 'answers');
      return value;
    } catch (error) {
      this.breaker.tell(entered, verdictOf(error, entered === 'probe'), error);
      throw error;
    }
  }
}

/** With jitter, so that replicas do not come back all at once. Never shorter than the server asks for. */
function pauseAfter(error: unknown, retries: number): number {
  const asked = error instanceof KubernetesApiError ? error.retryAfterMs : undefined;
  if (asked !== undefined) return asked * (1 + Math.random() / 10);
  return jittered(Math.min(firstPauseMs * 2 ** retries, maxPauseMs));
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
 * What a failed call says of the server: whatever it thinks of the call, an answer shows that it is well. A caller that gave up early says
 * nothing about it; as a probe it does not prove that the server is well.
 */
function verdictOf(error: unknown, isProbe: boolean): Verdict {
  if (!(error instanceof KubernetesApiError)) return 'nothing';
  if (error.failure !== 'unavailable' || error.serverAnswers) return 'answers';
  return isProbe || !error.abandoned ? 'silent' : 'nothing';
}
