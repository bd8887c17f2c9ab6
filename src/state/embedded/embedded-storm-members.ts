import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock';
import {
  membersLifeMs,
  type RecordedMembers,
  type StormMember,
  type StormMembers,
  type StormTally,
} from '../storm-members';

/** What the request of a storm is known to count. */
interface Written {
  /** By fingerprint: whether it fires. */
  readonly members: Map<string, boolean>;
  readonly resources: Set<string>;
}

const defaultMaxStorms = 1_000;
/** Of one storm; beyond it names are not kept, and who is sent again counts again. */
const maxNamesOfStorm = 50_000;
/** Of all storms together. */
const maxNames = 200_000;

/**
 * The members of storms in one process. It counts on from what the request says, which other processes write as well: so who
 * is counted is who was written.
 */
export class EmbeddedStormMembers implements StormMembers {
  private readonly storms: LRUCache<string, Written>;

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

  record(storm: string, recorded: RecordedMembers, members: readonly StormMember[]): Promise<StormTally> {
    const written = this.writtenOf(storm);
    for (const member of recorded.listed) note(written, member);
    this.keep(storm, written);

    let { alertCount, resolvedCount, totalAffectedResources, countedApart } = recorded;
    let unnamed = Math.max(0, alertCount - written.members.size);
    const resources = new Set<string>();
    for (const { fingerprint, resource, firing } of members) {
      const before = written.members.get(fingerprint);
      if (before === firing) continue;
      if (before !== undefined) resolvedCount += firing ? -1 : 1;
      else if (firing) {
        alertCount++;
        countedApart++;
        if (!written.resources.has(resource)) resources.add(resource);
      } else if (unnamed > 0) {
        // One of those whose names are lost.
        unnamed--;
        resolvedCount = Math.min(alertCount, resolvedCount + 1);
      }
    }
    totalAffectedResources += resources.size;
    const approximate = recorded.alertCount > written.members.size;
    return Promise.resolve({ alertCount, resolvedCount, totalAffectedResources, countedApart, approximate });
  }

  settle(storm: string, members: readonly StormMember[]): void {
    const written = this.writtenOf(storm);
    for (const member of members) note(written, member);
    this.keep(storm, written);
  }

  private writtenOf(storm: string): Written {
    return this.storms.get(storm) ?? { members: new Map(), resources: new Set() };
  }

  private keep(storm: string, written: Written): void {
    // A value that is there already would keep the size that it had.
    this.storms.delete(storm);
    this.storms.set(storm, written);
  }
}

function note({ members, resources }: Written, { fingerprint, resource, firing }: StormMember): void {
  if (members.size >= maxNamesOfStorm && !members.has(fingerprint)) return;
  members.set(fingerprint, firing);
  resources.add(resource);
}
