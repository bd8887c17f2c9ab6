import { sharedOrLocal } from './shared-or-local';
import type { RecordedMembers, StormMember, StormMembers, StormTally } from './storm-members';

/** The shared members, and while they cannot be reached those of this process: both go on from what the request says. */
export class DegradingStormMembers implements StormMembers {
  constructor(
    private readonly shared: StormMembers,
    private readonly local: StormMembers,
  ) {}

  record(
    storm: string,
    recorded: RecordedMembers,
    members: readonly StormMember[],
    asked: readonly string[] = [],
  ): Promise<StormTally> {
    return sharedOrLocal(this.shared, this.local, (memory) => memory.record(storm, recorded, members, asked));
  }
}
