import type { KnownAlert, KnownRequest } from '../../kubernetes/known-request';
import { maxFiringAlerts, type FiringAlert, type SignalStatus } from '../../kubernetes/remediation-request';
import { isMoreSevere } from '../../signal/severity';
import { formatTimestamp } from '../../signal/timestamp';
import type { Occurrences } from '../../state/signal-state';
import { firingLast, type Sighting } from './sighting';

type Standing = Pick<KnownRequest, 'severity' | 'resolvedSince' | 'recurredAt' | 'firingAlerts'>;

/**
 * What `status.signal` must become after these sightings; `undefined` when it stands as it should.
 *
 * Several alerts of a sender may be one incident, so it has resolved only when none of them fires any more. In one batch
 * firing wins (contract, section 5).
 */
export function signalStatusAfter(known: KnownRequest, sightings: readonly Sighting[]): SignalStatus | undefined {
  if (sightings.every((sighting) => isKnown(known, sighting))) return undefined;
  const standing = after(known, sightings, known.overSince);
  return isSame(known, standing) ? undefined : toStatus(standing);
}

/** The usual re-send, which says nothing new: told apart here, for there is nothing that comes more often. */
function isKnown(
  { severity, resolvedSince, recurredAt, overSince, firingAlerts }: KnownRequest,
  { status, alert, startsAt = 0, severity: seen, occurredAt }: Sighting,
): boolean {
  const since = sinceWhen(firingAlerts, alert);
  return (
    status === 'firing' &&
    occurredAt === undefined &&
    since !== undefined &&
    startsAt <= since &&
    resolvedSince === undefined &&
    overSince === undefined &&
    recurredAt === undefined &&
    (seen === severity || isMoreSevere(severity, seen))
  );
}

/** What `status.deduplication` must become; never lower than it is. `undefined` when nothing changes. */
export function deduplicationAfter(known: KnownRequest, seen: Occurrences): Record<string, unknown> | undefined {
  const { occurrences, createdAt } = known;
  const count = Math.max(seen.count, occurrences?.count ?? 1);
  const lastSeen = Math.max(seen.lastSeen, occurrences?.lastSeen ?? 0);
  // An object tells its creation in whole seconds: of the same one, what was seen is more exact.
  const knownSince = occurrences?.firstSeen ?? createdAt;
  const firstSeen =
    toSecond(knownSince) === toSecond(seen.firstSeen) ? seen.firstSeen : Math.min(seen.firstSeen, knownSince);
  if (count === occurrences?.count && toSecond(lastSeen) === toSecond(occurrences.lastSeen)) return undefined;
  return {
    occurrenceCount: count,
    firstSeen: formatTimestamp(firstSeen),
    lastSeen: formatTimestamp(lastSeen),
  };
}

/** The alerts that fire when a request is created: those that fired of the one before it and have not resolved, and these. */
export function firingAlertsAfter(before: KnownRequest | undefined, sightings: readonly Sighting[]): FiringAlert[] {
  const [only, ...others] = sightings;
  // Most incidents are one alert, with nothing before it.
  if (before === undefined && only?.status === 'firing' && only.occurredAt === undefined && others.length === 0)
    return [toFiringAlert({ alert: only.alert, since: only.startsAt ?? 0 })];
  const none: Standing = { severity: 'info', firingAlerts: before?.firingAlerts ?? [] };
  return after(none, sightings).firingAlerts.map(toFiringAlert);
}

function after(before: Standing, sightings: readonly Sighting[], overSince?: number): Standing {
  return firingLast(sightings).reduce(
    (standing, sighting) =>
      sighting.status === 'firing' ? afterFiring(standing, sighting, overSince) : afterResolved(standing, sighting),
    before,
  );
}

function afterFiring(standing: Standing, sighting: Sighting, overSince: number | undefined): Standing {
  const { alert, startsAt = 0, severity, occurredAt, receivedAt } = sighting;
  const { resolvedSince = 0 } = standing;
  // Told late: it was acted upon, or has ended, since then.
  if (occurredAt !== undefined && occurredAt <= Math.max(overSince ?? 0, resolvedSince)) return standing;
  // Written late: it has resolved since it was received.
  if (receivedAt < resolvedSince) return standing;
  return {
    severity: isMoreSevere(severity, standing.severity) ? severity : standing.severity,
    firingAlerts:
      occurredAt === undefined ? withAlert(standing.firingAlerts, { alert, since: startsAt }) : standing.firingAlerts,
    ...(overSince !== undefined ? { recurredAt: standing.recurredAt ?? receivedAt } : {}),
  };
}

function afterResolved(standing: Standing, { alert, endsAt, receivedAt }: Sighting): Standing {
  const firingSince = sinceWhen(standing.firingAlerts, alert);
  // It tells the end of an earlier firing: this one began after it.
  if (firingSince !== undefined && endsAt !== undefined && endsAt < firingSince) return standing;
  const firingAlerts = standing.firingAlerts.filter((one) => one.alert !== alert);
  if (firingAlerts.length > 0 || standing.resolvedSince !== undefined) return { ...standing, firingAlerts };
  // Senders' clocks may be ahead.
  return { severity: standing.severity, resolvedSince: Math.min(endsAt ?? receivedAt, receivedAt), firingAlerts };
}

/** Since when an alert fires; `undefined` when it does not. */
function sinceWhen(alerts: readonly KnownAlert[], alert: string): number | undefined {
  return alerts.find((one) => one.alert === alert)?.since;
}

/** With an alert that fires, where there is room for it; of one that fires already, the later beginning. */
function withAlert(alerts: readonly KnownAlert[], fires: KnownAlert): readonly KnownAlert[] {
  const since = sinceWhen(alerts, fires.alert);
  if (since === undefined) return alerts.length < maxFiringAlerts ? [...alerts, fires] : alerts;
  return fires.since > since ? alerts.map((one) => (one.alert === fires.alert ? fires : one)) : alerts;
}

function isSame(before: Standing, after: Standing): boolean {
  return (
    before.severity === after.severity &&
    before.resolvedSince === after.resolvedSince &&
    before.recurredAt === after.recurredAt &&
    before.firingAlerts.length === after.firingAlerts.length &&
    after.firingAlerts.every(({ alert, since }) => sinceWhen(before.firingAlerts, alert) === since)
  );
}

function toStatus({ severity, resolvedSince, firingAlerts, recurredAt }: Standing): SignalStatus {
  return {
    state: resolvedSince === undefined ? 'Firing' : 'Resolved',
    severity,
    firingAlerts: firingAlerts.map(toFiringAlert),
    resolvedAt: textOrNull(resolvedSince),
    recurredAt: textOrNull(recurredAt),
  };
}

function toFiringAlert({ alert, since }: KnownAlert): FiringAlert {
  return since === 0 ? { fingerprint: alert } : { fingerprint: alert, startsAt: formatTimestamp(since) };
}

function textOrNull(time: number | undefined): string | null {
  return time === undefined ? null : formatTimestamp(time);
}

function toSecond(time: number): number {
  return Math.floor(time / 1000);
}
