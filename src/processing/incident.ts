import type { KnownRequest } from '../kubernetes/known-request';
import type { Signal } from '../signal/signal';
import type { SignalOutcome } from './signal-outcome';

export type Outcomes = Map<Signal, SignalOutcome>;

/** The signals of one webhook that are one incident. */
export interface Incident {
  /** Stands for it, and says how urgent it is: of those that fire the most severe, of which the first. */
  signal: Signal;
  /** Those of other alerts of the sender as well, e.g. of a second container of the pod, and what resolved. */
  readonly all: Signal[];
  /** It was received, and answered, before: it is no new signal. */
  readonly reopened?: boolean;
  /** The request that carries it, once that is known and could be read. */
  known?: KnownRequest | undefined;
}

export function isFiring({ status }: Signal): boolean {
  return status === 'firing';
}
