import { StateUnavailableError } from './signal-state';
import type { RecordedMembers, StormMember, StormMembers, StormTally } from './storm-members';

/** The shared members, and while they cannot be reached those of this process: both go on from what the request says. */
export class DegradingStormMembers implements StormMembers {
  constructor(
    private readonly shared: StormMembers,
    private readonly local: StormMembers,
  ) {}

  async record(storm: string, recorded: RecordedMembers, members: readonly StormMember[]): Promise<StormTally> {
    try {
      return await this.shared.record(storm, recorded, members);
    } catch (error) {
      if (!(error instanceof StateUnavailableError)) throw error;
      return this.local.record(storm, recorded, members);
    }
  }
}
