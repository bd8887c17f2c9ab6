import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock';
import {
  maxAlertsOfMember,
  maxNamedMembers,
  membersLifeMs,
  unknownAlert,
  type ListedMember,
  type RecordedMembers,
  type StormMember,
  type StormMembers,
  type StormTally,
} from '../storm-members';

interface Storm {
  /** By fingerprint: the alerts that fire, by when they began. */
  readonly members: Map<string, Map<string, number>>;
  /** By fingerprint of those that resolved: when. */
  readonly ends: Map<string, number>;
  readonly resources: Set<string>;
  resolved: number;
  /** Members whose names are lost, and until when they had joined. */
  readonly lost: {
    alerts: number;
    resolved: number;
    resources: number;
    readonly until: number;
    readonly isQuiet: boolean;
  };
  /** Members that may be counted twice, as one of the lost as well. */
  twice: number;
  approximate: boolean;
  version: number;
}

const defaultMaxStorms = 1_000;
/** Of all storms together. */
const maxNames = 200_000;

/**
 * The members of storms in one process. It begins anew from the request whenever somebody else wrote that; of too many storms, the
 * ones seen longest ago are forgotten.
 */
export class EmbeddedStormMembers implements StormMembers {
  private readonly storms: LRUCache<string, Storm>;

  constructor(clock: Clock, maxStorms = defaultMaxStorms) {
    this.storms = new LRUCache({
      max: maxStorms,
      maxSize: maxNames,
      sizeCalculation: ({ members }) => members.size + 1,
      ttl: membersLifeMs,
      ttlResolution: 0,
      perf: clock,
    });
  }

  record(
    key: string,
    recorded: RecordedMembers,
    members: readonly StormMember[],
    asked: readonly string[] = [],
  ): Promise<StormTally> {
    const known = this.storms.get(key);
    const storm = known !== undefined && knowsAll(known, recorded) ? known : stormOf(recorded);
    if (storm.lost.alerts > 0) storm.approximate = true;
    // Of these members, those for whose names there is no room.
    const unnamed = new Set<string>();
    for (const member of members) {
      if (member.firing) fires(storm, member, unnamed);
      else resolves(storm, member, unnamed);
    }
    if (members.length > 0) storm.version++;
    // A value that is there already would keep the size that it had.
    this.storms.delete(key);
    this.storms.set(key, storm);
    return Promise.resolve({
      alertCount: storm.members.size + storm.lost.alerts,
      resolvedCount: resolvedOf(storm),
      totalAffectedResources: storm.resources.size + storm.lost.resources,
      approximate: storm.approximate,
      maybeTwice: storm.twice,
      version: storm.version,
      apart: true,
      firing: new Map(
        [...members, ...asked.map((fingerprint) => ({ fingerprint, firing: false }))].flatMap(
          ({ fingerprint, firing }) => {
            const alerts = storm.members.get(fingerprint);
            if (alerts === undefined) return firing ? [[fingerprint, true] as const] : [];
            return [[fingerprint, alerts.size > 0] as const];
          },
        ),
      ),
    });
  }
}

/** Until the request is written there is nothing that another could have counted. */
function knowsAll(storm: Storm, { alertCount, version, ownApart }: RecordedMembers): boolean {
  return alertCount === 0 || (ownApart && version <= storm.version);
}

function stormOf(recorded: RecordedMembers): Storm {
  const { alertCount, resolvedCount, totalAffectedResources, lastMemberAt, isQuiet, version, listed } = recorded;
  const lost = {
    alerts: alertCount,
    resolved: resolvedCount,
    resources: totalAffectedResources,
    until: lastMemberAt,
    isQuiet,
  };
  const storm: Storm = {
    members: new Map(),
    ends: new Map(),
    resources: new Set(),
    resolved: 0,
    lost,
    twice: recorded.maybeTwice,
    approximate: false,
    version,
  };
  for (const member of listed) {
    if (!member.firing) lost.resolved = Math.max(0, lost.resolved - 1);
    add(storm, member, new Map(member.firing ? [[unknownAlert, 0]] : []), true, new Set());
  }
  if (recorded.listsAll) storm.twice = lost.alerts;
  return storm;
}

function add(
  storm: Storm,
  { fingerprint, resource }: Pick<ListedMember, 'fingerprint' | 'resource'>,
  alerts: Map<string, number>,
  wasCounted: boolean,
  unnamed: Set<string>,
): void {
  const { members, resources, lost } = storm;
  if (members.size >= maxNamedMembers) {
    // Each of several alerts of one is told.
    if (!wasCounted && !unnamed.has(fingerprint)) lost.alerts++;
    unnamed.add(fingerprint);
    return;
  }
  if (wasCounted) {
    lost.alerts = Math.max(0, lost.alerts - 1);
    lost.resolved = Math.min(lost.resolved, lost.alerts);
  }
  members.set(fingerprint, alerts);
  if (!resources.has(resource)) {
    resources.add(resource);
    if (wasCounted) lost.resources = Math.max(0, lost.resources - 1);
  }
  if (alerts.size === 0) storm.resolved++;
}

function fires(storm: Storm, member: StormMember, unnamed: Set<string>): void {
  const { fingerprint, alert, at } = member;
  const alerts = storm.members.get(fingerprint);
  if (alerts === undefined) {
    const since = alert === unknownAlert ? 0 : at;
    const { lost } = storm;
    const isKnown = lost.alerts > 0 && at <= lost.until;
    if (isKnown && !lost.isQuiet) storm.twice++;
    add(storm, member, new Map([[alert, since]]), isKnown && lost.isQuiet, unnamed);
    return;
  }
  if (alerts.size === 0 && member.said < (storm.ends.get(fingerprint) ?? 1)) return;
  if (alerts.size > 0 && (alert === unknownAlert || member.again === true)) return;
  if (alerts.size === 0) storm.resolved--;
  if (alert === unknownAlert) {
    alerts.set(alert, 0);
    return;
  }
  alerts.delete(unknownAlert);
  const since = alerts.get(alert);
  if (since !== undefined || alerts.size < maxAlertsOfMember) alerts.set(alert, Math.max(since ?? 0, at));
}

function resolves(storm: Storm, member: StormMember, unnamed: Set<string>): void {
  const alerts = storm.members.get(member.fingerprint);
  if (alerts === undefined) {
    if (storm.lost.alerts === 0) return;
    add(storm, member, new Map(), true, unnamed);
    storm.ends.set(member.fingerprint, endOf(member));
    return;
  }
  const alert = alerts.has(member.alert) ? member.alert : unknownAlert;
  const since = alerts.get(alert);
  if (since === undefined || member.at < since) return;
  alerts.delete(alert);
  if (alerts.size > 0) return;
  storm.resolved++;
  storm.ends.set(member.fingerprint, endOf(member));
}

/** Senders' clocks may be ahead. */
function endOf({ at, said }: StormMember): number {
  return Math.min(at, said);
}

/** When all that have names have resolved, and those without may all be among them, then all have. */
function resolvedOf({ members, resolved, lost, twice }: Storm): number {
  const isOver = resolved === members.size && lost.alerts - lost.resolved <= twice;
  return isOver ? members.size + lost.alerts : resolved + lost.resolved;
}
