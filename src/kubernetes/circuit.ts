import type { LogSink } from '../logging/log-sink';
import { jittered } from '../pause';

export type CircuitName = 'closed' | 'open' | 'half-open';

/** What a call says of the server; `nothing` of one whose caller gave up early. */
export type Verdict = 'answers' | 'silent' | 'nothing';

/** So many calls without an answer in a row suspend all others. */
const failuresThatOpen = 5;
const firstSuspensionMs = 1_000;
const maxSuspensionMs = 10_000;

/** Suspends calls of a server that does not answer, and lets one through from time to time: the probe. */
export class Circuit {
  /** Calls without an answer, in a row. */
  private failures = 0;
  /** In a row. */
  private suspensions = 0;
  /** By the monotonic clock; absent while calls go through. */
  private suspendedUntil: number | undefined;
  private isProbing = false;

  constructor(private readonly log: LogSink) {}

  get state(): CircuitName {
    if (this.suspendedUntil === undefined) return 'closed';
    return this.isProbing ? 'half-open' : 'open';
  }

  /** Whether a call may begin now, and as what. Each that may must be `told`, whatever becomes of it. */
  enter(): 'call' | 'probe' | 'suspended' {
    if (this.suspendedUntil === undefined) return 'call';
    if (this.isProbing || performance.now() < this.suspendedUntil) return 'suspended';
    this.isProbing = true;
    return 'probe';
  }

  tell(entered: 'call' | 'probe', verdict: Verdict, error?: unknown): void {
    if (entered === 'probe') this.isProbing = false;
    // What began before the suspension says nothing of how the server is by now.
    else if (this.suspendedUntil !== undefined) return;
    if (verdict === 'answers') this.close();
    else if (verdict === 'silent' && (entered === 'probe' || ++this.failures >= failuresThatOpen)) this.open(error);
  }

  private close(): void {
    if (this.suspendedUntil !== undefined) this.log.info({ dependency: 'kubernetes' }, 'the API server answers again');
    this.failures = 0;
    this.suspensions = 0;
    this.suspendedUntil = undefined;
  }

  private open(error: unknown): void {
    // A probe that fails changes nothing.
    if (this.suspensions === 0)
      this.log.error(
        { dependency: 'kubernetes', reason: String(error) },
        'the API server does not answer: calls are suspended',
      );
    const suspensionMs = Math.min(firstSuspensionMs * 2 ** this.suspensions++, maxSuspensionMs);
    this.suspendedUntil = performance.now() + jittered(suspensionMs);
  }
}
