import type { Severity } from '../../signal/severity';
import type { Signal } from '../../signal/signal';

/** What a signal says about the request that carries its incident; all that has to be kept until it is written there. */
export interface Sighting {
  readonly status: 'firing' | 'resolved';
  /** The sender's own identity of the alert. */
  readonly alert: string;
  readonly severity: Severity;
  /** When the alert began to fire; absent when its sender did not say. */
  readonly startsAt?: number | undefined;
  readonly endsAt?: number | undefined;
  /** Of an occurrence, which nobody will say is over: it is none of the alerts that fire. */
  readonly occurredAt?: number | undefined;
  readonly receivedAt: number;
}

const maxIdentityLength = 64;

/** The sender's own identity of the alert. A sender without identities of its own has one alert for an incident. */
export function alertOf({ senderFingerprint, fingerprint }: Signal): string {
  return senderFingerprint?.slice(0, maxIdentityLength).toWellFormed() ?? fingerprint.slice(0, 16);
}

export function sightingOf(signal: Signal): Sighting {
  const { status, severity, startsAt, endsAt, occurredAt, receivedAt } = signal;
  return {
    status,
    alert: alertOf(signal),
    severity,
    startsAt: startsAt === receivedAt ? undefined : startsAt,
    endsAt,
    occurredAt,
    receivedAt,
  };
}

/** What comes later counts: of alerts that fire and resolve at once firing wins, and an occurrence wins over neither. */
export function firingLast(sightings: readonly Sighting[]): Sighting[] {
  return [...sightings].sort((a, b) => weightOf(a) - weightOf(b));
}

function weightOf({ status, occurredAt }: Sighting): number {
  if (occurredAt !== undefined) return 0;
  return status === 'resolved' ? 1 : 2;
}
