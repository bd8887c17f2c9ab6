import type { KnownRequest, KnownStorm } from '../../kubernetes/known-request';
import { maxAffectedResources, type AffectedResource, type StormStatus } from '../../kubernetes/remediation-request';
import { severities, type Severity } from '../../signal/severity';
import type { Signal } from '../../signal/signal';
import { formatTimestamp } from '../../signal/timestamp';
import type { RecordedMembers, StormMember, StormTally } from '../../state/storm-members';
import type { StormWindow } from '../../state/storm-windows';
import { resourceOf } from './storm-group';

/** How one signal of a storm stands. */
export interface MemberChange extends StormMember {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly severity: Severity;
  /** When it was said; of one that has resolved, when it did. */
  readonly at: number;
}

/** What is to be written to the request of a storm. */
export interface StormChange {
  readonly members: readonly MemberChange[];
  /** Absent when nobody joined. */
  readonly window?: StormWindow | undefined;
  /** Requests of the signals before it. */
  readonly precededBy?: readonly string[] | undefined;
}

export function changeOf(signal: Signal, firing: boolean): MemberChange {
  const { fingerprint, resource, namespace, severity, receivedAt, endsAt } = signal;
  return {
    fingerprint,
    resource: resourceOf(signal),
    firing,
    kind: resource.kind,
    name: resource.name,
    namespace,
    severity,
    at: firing ? receivedAt : (endsAt ?? receivedAt),
  };
}

/** The members that a request names and that still fire. */
export function firingMembersOf({ storm, severity }: KnownRequest, now: number): MemberChange[] {
  const firing = storm?.affectedResources.filter(({ state }) => state !== 'Resolved') ?? [];
  return firing.map((listed) => ({
    ...memberOf(listed),
    kind: listed.kind,
    name: listed.name,
    namespace: listed.namespace ?? '',
    severity,
    at: now,
  }));
}

/** What a request says of its members, for a memory that knows less. */
export function recordedIn({
  alertCount,
  resolvedCount,
  totalAffectedResources,
  countedApart,
  affectedResources,
}: KnownStorm): RecordedMembers {
  return { alertCount, resolvedCount, totalAffectedResources, countedApart, listed: affectedResources.map(memberOf) };
}

function memberOf({ kind, name, namespace = '', fingerprint, state }: AffectedResource): StormMember {
  return {
    fingerprint,
    resource: resourceOf({ resource: { kind, name }, namespace, fingerprint }),
    firing: state !== 'Resolved',
  };
}

/** What `status` must become; `undefined` when it stands as it should. Counts of signals never go down. */
export function stormStatusAfter(
  known: KnownRequest,
  storm: KnownStorm,
  tally: StormTally,
  { members, window, precededBy }: StormChange,
  writer: string,
): { readonly storm: StormStatus; readonly signal?: object } | undefined {
  const alertCount = Math.max(storm.alertCount, tally.alertCount);
  const totalAffectedResources = Math.max(storm.totalAffectedResources, tally.totalAffectedResources);
  const resolvedCount = Math.min(alertCount, tally.resolvedCount);
  const approximate = storm.approximate || tally.approximate;
  const affectedResources = listAfter(storm.affectedResources, members);
  const isSame =
    alertCount === storm.alertCount &&
    resolvedCount === storm.resolvedCount &&
    totalAffectedResources === storm.totalAffectedResources &&
    approximate === storm.approximate &&
    affectedResources === storm.affectedResources;
  const signal = signalAfter(known, resolvedCount === alertCount, members);
  if (isSame && signal === undefined && precededBy === undefined) return undefined;
  return {
    storm: {
      type: window?.type ?? storm.type,
      alertCount,
      resolvedCount,
      totalAffectedResources,
      countedApart: tally.countedApart,
      ...(approximate ? { countApproximate: true } : {}),
      ...(affectedResources === storm.affectedResources ? {} : { affectedResources }),
      ...(window === undefined
        ? {}
        : { windowStartedAt: formatTimestamp(window.openedAt), lastMemberAt: formatTimestamp(window.lastMemberAt) }),
      ...(precededBy === undefined ? {} : { precededBy }),
      writer,
    },
    ...(signal === undefined ? {} : { signal }),
  };
}

/** The same list when nothing in it changes. */
function listAfter(before: readonly AffectedResource[], members: readonly MemberChange[]): readonly AffectedResource[] {
  const list = new Map(before.map((resource) => [resource.fingerprint, resource]));
  let hasChanged = false;
  for (const { fingerprint, kind, name, namespace, firing } of members) {
    const state = firing ? 'Firing' : 'Resolved';
    const listed = list.get(fingerprint);
    if (listed?.state === state) continue;
    if (listed === undefined && (!firing || list.size >= maxAffectedResources)) continue;
    list.set(
      fingerprint,
      listed ? { ...listed, state } : { kind, name, ...(namespace ? { namespace } : {}), fingerprint, state },
    );
    hasChanged = true;
  }
  return hasChanged ? [...list.values()] : before;
}

function signalAfter(known: KnownRequest, resolved: boolean, members: readonly MemberChange[]): object | undefined {
  const severity = members
    .filter(({ firing }) => firing)
    .reduce<Severity>(
      (highest, member) =>
        severities.indexOf(member.severity) < severities.indexOf(highest) ? member.severity : highest,
      known.severity,
    );
  // It fires although the request is over: it is to be the next generation.
  const recurs = known.overSince !== undefined && !resolved && members.some(({ firing }) => firing);
  const recurredAt = resolved ? undefined : (known.recurredAt ?? (recurs ? latestOf(members) : undefined));
  if (resolved === known.resolved && severity === known.severity && recurredAt === known.recurredAt) return undefined;
  const resolvedAt = resolved && !known.resolved ? latestOf(members) : undefined;
  return {
    state: resolved ? 'Resolved' : 'Firing',
    severity,
    recurredAt: recurredAt === undefined ? null : formatTimestamp(recurredAt),
    ...(resolved && resolvedAt === undefined
      ? {}
      : { resolvedAt: resolvedAt === undefined ? null : formatTimestamp(resolvedAt) }),
  };
}

function latestOf(members: readonly MemberChange[]): number {
  return members.reduce((latest, { at }) => Math.max(latest, at), 0);
}
