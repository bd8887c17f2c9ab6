import type { Severity } from '../../signal/severity';
import type { Signal } from '../../signal/signal';

/** What a signal says about the request that carries its incident; all that has to be kept until it is written there. */
export interface Sighting {
  readonly status: 'firing' | 'resolved';
  /** The sender's own identity of the alert. */
  readonly alert: string;
  readonly severity: Severity;
  /** When the alert began to fire; absent when its sender did not say. */
  readonly startsAt?: number;
  readonly endsAt?: number;
  readonly receivedAt: number;
}

const maxIdentityLength = 64;

export function sightingOf(signal: Signal): Sighting {
  const { status, severity, startsAt, endsAt, receivedAt, senderFingerprint, fingerprint } = signal;
  return {
    status,
    // A sender without identities of its own has one alert for an incident.
    alert: senderFingerprint?.slice(0, maxIdentityLength) ?? fingerprint.slice(0, 16),
    severity,
    ...(startsAt === receivedAt ? {} : { startsAt }),
    ...(endsAt === undefined ? {} : { endsAt }),
    receivedAt,
  };
}
