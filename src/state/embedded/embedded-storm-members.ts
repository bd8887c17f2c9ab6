import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock';
import {
  membersLifeMs,
  type RecordedMembers,
  type StormMember,
  type StormMembers,
  type StormTally,
} from '../storm-members';

interface Counts {
  alerts: number;
  resolved: number;
  resources: number;
}

interface Storm {
  /** By fingerprint: whether it fires. */
  readonly members: Map<string, boolean>;
  readonly resources: Set<string>;
  resolved: number;
  /** Members whose names are lost. */
  readonly lost: Counts;
  approximate: boolean;
}

const defaultMaxStorms = 1_000;
/** Of one storm; beyond it, members are counted and their names not kept. */
const defaultMaxMembers = 100_000;

/** The members of storms in one process. Of too many storms, the ones seen longest ago are forgotten. */
export class EmbeddedStormMembers implements StormMembers {
  private readonly storms: LRUCache<string, Storm>;

  constructor(
    clock: Clock,
    private readonly maxMembers = defaultMaxMembers,
    maxStorms = defaultMaxStorms,
  ) {
    this.storms = new LRUCache({ max: maxStorms, ttl: membersLifeMs, ttlResolution: 0, perf: clock });
  }

  record(key: string, recorded: RecordedMembers, members: readonly StormMember[]): Promise<StormTally> {
    const storm = this.storms.get(key) ?? stormOf(recorded);
    this.storms.set(key, storm);
    const { lost } = storm;
    // Others counted while this memory was not asked.
    lost.alerts = Math.max(lost.alerts, recorded.alertCount - storm.members.size);
    lost.resources = Math.max(lost.resources, recorded.totalAffectedResources - storm.resources.size);
    if (lost.alerts > 0) storm.approximate = true;
    for (const member of members) this.note(storm, member);
    return Promise.resolve({
      alertCount: storm.members.size + lost.alerts,
      resolvedCount: storm.resolved + lost.resolved,
      totalAffectedResources: storm.resources.size + lost.resources,
      approximate: storm.approximate,
    });
  }

  private note(storm: Storm, member: StormMember): void {
    const { members, lost } = storm;
    const before = members.get(member.fingerprint);
    if (before === member.firing) return;
    if (before !== undefined) {
      members.set(member.fingerprint, member.firing);
      storm.resolved += member.firing ? -1 : 1;
    } else if (member.firing) {
      if (members.size < this.maxMembers) add(storm, member, false);
      else lost.alerts++;
    } else if (lost.alerts > 0) {
      // One of those whose names are lost; it had not resolved if any had not.
      lost.alerts--;
      lost.resolved = Math.min(lost.resolved, lost.alerts);
      add(storm, member, true);
    }
  }
}

function stormOf({ alertCount, resolvedCount, totalAffectedResources, listed }: RecordedMembers): Storm {
  const lost = { alerts: alertCount, resolved: resolvedCount, resources: totalAffectedResources };
  const storm: Storm = { members: new Map(), resources: new Set(), resolved: 0, lost, approximate: false };
  for (const member of listed) {
    lost.alerts = Math.max(0, lost.alerts - 1);
    if (!member.firing) lost.resolved = Math.max(0, lost.resolved - 1);
    add(storm, member, true);
  }
  return storm;
}

function add(storm: Storm, { fingerprint, resource, firing }: StormMember, wasCounted: boolean): void {
  storm.members.set(fingerprint, firing);
  if (!storm.resources.has(resource)) {
    storm.resources.add(resource);
    if (wasCounted) storm.lost.resources = Math.max(0, storm.lost.resources - 1);
  }
  if (!firing) storm.resolved++;
}
