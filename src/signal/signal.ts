import type { Labels } from './labels';
import type { Severity } from './severity';
import type { TargetResource } from './target-resource';

/** Where a person finds more: addresses and names that the sender gave. They are shown, never fetched. */
export interface SignalLinks {
  readonly generatorURL?: string;
  readonly externalURL?: string;
  readonly receiver?: string;
  readonly groupKey?: string;
  readonly dashboardURL?: string;
  readonly panelURL?: string;
  readonly silenceURL?: string;
  readonly imageURL?: string;
}

/** What every source is turned into at the door: one thing that is wrong (firing), or no longer (resolved). */
export interface Signal {
  /** What sent it, as the last part of its path says it: `prometheus`, `kubernetes-event`, `grafana`. */
  readonly source: string;
  /** alertname, or the reason of an event. */
  readonly name: string;
  readonly status: 'firing' | 'resolved';
  readonly severity: Severity;
  /** The namespace that the signal is about; empty when it is about none. */
  readonly namespace: string;
  readonly resource: TargetResource;
  /** The workload that owns the resource, when that identifies the incident. */
  readonly owner?: TargetResource;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** When it began to fire, in milliseconds since the epoch; the time of receipt if the sender gave none that makes sense. */
  readonly startsAt: number;
  /** When it stopped, for a resolved signal whose sender said so. */
  readonly endsAt?: number | undefined;
  /**
   * When it last happened, for a signal that tells of an occurrence rather than a state, such as an event: nobody will say
   * that it is over, and what happened before its request was over belongs to that.
   */
  readonly occurredAt?: number;
  readonly receivedAt: number;
  readonly links: SignalLinks;
  /** The identity of the incident: SHA-256, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** The sender's own identity of this series, e.g. Alertmanager's 16 hex digits. */
  readonly senderFingerprint?: string | undefined;
  /** What the sender sent for this signal, as parsed. Kept for the request's `originalPayload`. */
  readonly payload: unknown;
}

/** One entry of a webhook that is not a signal, with everything that is wrong with it. Its siblings are unharmed. */
export class InvalidSignal {
  constructor(
    readonly source: string,
    /** Each names what is wrong, e.g. `alertname is required`. */
    readonly problems: readonly [string, ...string[]],
    /** The first problem in the words of the answer's `error` member. */
    readonly summary: string = problems[0],
  ) {}
}

/** One entry of a webhook that is understood and needs nothing: a normal event. */
export class IgnoredSignal {
  constructor(
    readonly source: string,
    readonly name: string,
    readonly reason: 'normal_event' | 'own_event',
  ) {}
}

/** What an entry of a webhook is read as. */
export type SignalReading = Signal | InvalidSignal | IgnoredSignal;

export function isSignal(reading: SignalReading): reading is Signal {
  return !(reading instanceof InvalidSignal || reading instanceof IgnoredSignal);
}
