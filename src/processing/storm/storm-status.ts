import type { KnownRequest, KnownStorm } from '../../kubernetes/known-request';
import { maxAffectedResources, type AffectedResource, type StormStatus } from '../../kubernetes/remediation-request';
import { isMoreSevere, type Severity } from '../../signal/severity';
import type { Signal } from '../../signal/signal';
import { formatTimestamp } from '../../signal/timestamp';
import {
  unknownAlert,
  type ListedMember,
  type RecordedMembers,
  type StormMember,
  type StormTally,
} from '../../state/storm-members';
import type { StormWindow } from '../../state/storm-windows';
import { alertOf } from '../request-status/sighting';
import { namesOf, resourceOf } from './storm-group';

/** Longer than Alertmanager waits before it tells of a new alert, as it is commonly configured. */
const quietMs = 120_000;

/** What is said of one signal of a storm. */
export interface MemberChange extends StormMember {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly severity: Severity;
  /** Of an occurrence, which nobody will say is over: it is none of the alerts that fire. */
  readonly occurredAt?: number | undefined;
}

/** What is to be written to the request of a storm. */
export interface StormChange {
  readonly members: readonly MemberChange[];
  /** Absent when nobody joined. */
  readonly window?: StormWindow | undefined;
  /** Requests of the signals before it. */
  readonly precededBy?: readonly string[];
  /** Of a request that nothing was written to. */
  readonly unnamed?: UnnamedMembers | undefined;
}

/** Members that go on from an earlier generation and that nobody names. */
export interface UnnamedMembers {
  readonly count: number;
  /** By when they had joined. Milliseconds since the epoch. */
  readonly joinedBy: number;
  /** How many of them may be counted twice. */
  readonly maybeTwice: number;
}

export function changeOf(signal: Signal): MemberChange {
  const { status, severity, startsAt, endsAt, occurredAt, receivedAt } = signal;
  const firing = status === 'firing';
  return {
    fingerprint: signal.fingerprint,
    resource: resourceOf(signal),
    firing,
    alert: occurredAt === undefined ? alertOf(signal) : unknownAlert,
    at: firing ? startsAt : (endsAt ?? receivedAt),
    said: occurredAt ?? receivedAt,
    ...namesOf(signal),
    severity,
    occurredAt,
  };
}

/** The window as the request tells it. */
export function windowOf({ type, windowStartedAt: openedAt, lastMemberAt }: KnownStorm): StormWindow {
  return { type, openedAt, lastMemberAt };
}

/** Whether it tells late of what occurred before its storm was over, or had resolved. */
export function isBygone({ overSince = 0, resolvedSince = 0 }: KnownRequest, { occurredAt }: MemberChange): boolean {
  return occurredAt !== undefined && occurredAt <= Math.max(overSince, resolvedSince);
}

/** The members that a request names and that still fire, to be told to another that may know more. */
export function firingMembersOf({ storm, severity }: KnownRequest, now: number): MemberChange[] {
  const firing = storm?.affectedResources.filter(({ state }) => state !== 'Resolved') ?? [];
  return firing.map((listed) => ({
    ...memberOf(listed),
    alert: unknownAlert,
    kind: listed.kind,
    name: listed.name,
    namespace: listed.namespace ?? '',
    severity,
    at: now,
    said: 0,
    again: true,
  }));
}

/** What a request says of its members, for a memory that knows less. */
export function recordedIn(
  { generation }: KnownRequest,
  storm: KnownStorm,
  ownApart: boolean,
  now: number,
): RecordedMembers {
  const { alertCount, resolvedCount, totalAffectedResources, lastMemberAt, version, writesApart, maybeTwice } = storm;
  const listed = storm.affectedResources.map(memberOf);
  const isQuiet = now - lastMemberAt > quietMs;
  return {
    alertCount,
    resolvedCount,
    totalAffectedResources,
    lastMemberAt,
    isQuiet,
    version,
    writesApart,
    ownApart,
    listed,
    // A later generation goes on with members that nobody names.
    listsAll: generation === 1 && listed.length < maxAffectedResources,
    maybeTwice,
  };
}

function memberOf({ kind, name, namespace = '', fingerprint, state }: AffectedResource): ListedMember {
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
  { members, window: joined, precededBy = [] }: StormChange,
  writer: string,
  now: number,
): { readonly storm: StormStatus; readonly signal?: object } | undefined {
  const window = joined ?? (storm.version === 0 ? windowOf(storm) : undefined);
  const alertCount = Math.max(storm.alertCount, tally.alertCount);
  const totalAffectedResources = Math.max(storm.totalAffectedResources, tally.totalAffectedResources);
  const resolvedCount = Math.min(alertCount, tally.resolvedCount);
  const approximate = storm.approximate || tally.approximate;
  const insiders = members.filter(({ fingerprint }) => tally.firing.has(fingerprint));
  const affectedResources = listAfter(storm.affectedResources, insiders, tally.firing);
  const links = [...new Set([...storm.precededBy, ...precededBy])].slice(0, maxAffectedResources);
  // What names the first member is not yet its status; who is no member writes none.
  const isBegun = storm.version > 0 || (insiders.length === 0 && joined === undefined);
  const isListed = affectedResources === storm.affectedResources && isBegun;
  const isSame =
    isListed &&
    alertCount === storm.alertCount &&
    resolvedCount === storm.resolvedCount &&
    totalAffectedResources === storm.totalAffectedResources &&
    approximate === storm.approximate &&
    tally.maybeTwice === storm.maybeTwice &&
    links.length === storm.precededBy.length;
  const signal = signalAfter(known, alertCount > 0 && resolvedCount === alertCount, insiders, now);
  if (isSame && signal === undefined) return undefined;
  return {
    storm: {
      type: window?.type ?? storm.type,
      alertCount,
      resolvedCount,
      totalAffectedResources,
      version: tally.version,
      ...(tally.apart ? { writesApart: storm.writesApart + 1 } : {}),
      ...(approximate ? { countApproximate: true } : {}),
      ...(tally.maybeTwice === storm.maybeTwice ? {} : { maybeCountedTwice: tally.maybeTwice }),
      ...(isListed ? {} : { affectedResources }),
      ...(window === undefined
        ? {}
        : { windowStartedAt: formatTimestamp(window.openedAt), lastMemberAt: formatTimestamp(window.lastMemberAt) }),
      ...(links.length === storm.precededBy.length ? {} : { precededBy: links }),
      writer,
    },
    ...(signal === undefined ? {} : { signal }),
  };
}

/** The same list when nothing in it changes. */
function listAfter(
  before: readonly AffectedResource[],
  members: readonly MemberChange[],
  firing: ReadonlyMap<string, boolean>,
): readonly AffectedResource[] {
  const list = new Map(before.map((resource) => [resource.fingerprint, resource]));
  let hasChanged = false;
  for (const { fingerprint, kind, name, namespace } of members) {
    const state = firing.get(fingerprint) ? 'Firing' : 'Resolved';
    const listed = list.get(fingerprint);
    if (listed?.state === state) continue;
    if (listed === undefined && list.size >= maxAffectedResources) continue;
    const resource = listed ?? { kind, name, ...(namespace ? { namespace } : {}), fingerprint };
    list.set(fingerprint, { ...resource, state });
    hasChanged = true;
  }
  return hasChanged ? [...list.values()] : before;
}

function signalAfter(
  known: KnownRequest,
  resolved: boolean,
  members: readonly MemberChange[],
  now: number,
): object | undefined {
  const severity = members
    .filter(({ firing }) => firing)
    .reduce<Severity>(
      (highest, member) => (isMoreSevere(member.severity, highest) ? member.severity : highest),
      known.severity,
    );
  // It fires although the request is over: it is to be the next generation.
  const recurs =
    known.overSince !== undefined && !resolved && members.some((member) => member.firing && !isBygone(known, member));
  const recurredAt = resolved ? undefined : (known.recurredAt ?? (recurs ? now : undefined));
  const wasResolved = known.resolvedSince !== undefined;
  if (resolved === wasResolved && severity === known.severity && recurredAt === known.recurredAt) return undefined;
  const resolvedAt = resolved && !wasResolved ? (latestOf(members) ?? now) : undefined;
  return {
    state: resolved ? 'Resolved' : 'Firing',
    severity,
    recurredAt: recurredAt === undefined ? null : formatTimestamp(recurredAt),
    ...(resolved && resolvedAt === undefined
      ? {}
      : { resolvedAt: resolvedAt === undefined ? null : formatTimestamp(resolvedAt) }),
  };
}

/** When the last of them resolved. */
function latestOf(members: readonly MemberChange[]): number | undefined {
  const ends = members.filter(({ firing }) => !firing).map(({ at }) => at);
  return ends.length === 0 ? undefined : ends.reduce((latest, at) => Math.max(latest, at), 0);
}
