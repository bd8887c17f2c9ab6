import type { Severity } from './severity';
import type { TargetResource } from './target-resource';

export type SignalSource = 'prometheus' | 'kubernetes-event' | 'grafana';

/** Where a person finds more: addresses and names that the sender gave. They are shown, never fetched. */
export interface SignalLinks {
  readonly generatorURL?: string;
  readonly externalURL?: string;
  readonly receiver?: string;
  readonly groupKey?: string;
}

/**
 * What every source is turned into at the door: one thing that is wrong (firing), or no longer (resolved).
 * Labels and annotations are maps, so that a label called `__proto__` is a label like any other.
 */
export interface Signal {
  readonly source: SignalSource;
  /** alertname, or the reason of an event. */
  readonly name: string;
  readonly status: 'firing' | 'resolved';
  readonly severity: Severity;
  /** The namespace that the signal is about; empty when it is about none. */
  readonly namespace: string;
  readonly resource: TargetResource;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** When it began to fire, in milliseconds since the epoch; the time of receipt if the sender gave none that makes sense. */
  readonly startsAt: number;
  /** When it stopped, for a resolved signal whose sender said so. */
  readonly endsAt?: number;
  readonly receivedAt: number;
  readonly links: SignalLinks;
  /** The identity of the incident: SHA-256, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** The sender's own identity of this series, e.g. Alertmanager's 16 hex digits. */
  readonly senderFingerprint?: string;
  /** What the sender sent for this signal, as parsed. Kept for the request's `originalPayload`. */
  readonly payload: unknown;
}

/** One entry of a webhook that is not a signal, with everything that is wrong with it. Its siblings are unharmed. */
export class InvalidSignal {
  constructor(
    readonly source: SignalSource,
    /** Each names what is wrong, e.g. `alertname is required`. */
    readonly problems: readonly [string, ...string[]],
    /** The first problem in the words of the answer's `error` member. */
    readonly summary: string = problems[0],
  ) {}
}
