/** A signal that is part of a storm, and whether it fires now. */
export interface StormMember {
  readonly fingerprint: string;
  readonly resource: string;
  readonly firing: boolean;
}

/** What the storm request itself says of its members: a memory that knows less goes on from there. */
export interface RecordedMembers {
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  /** The members that it names; there may be more. */
  readonly listed: readonly StormMember[];
}

export interface StormTally {
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  /** Members were counted whose names are lost, so that some may be counted twice. */
  readonly approximate: boolean;
}

/**
 * Who is part of which storm, so that everybody is counted once: however often it is sent, to whichever replica, and if the one
 * that counted it died before its sender was answered.
 *
 * It is lost a day after the last change. Rejects with `StateUnavailableError` when it cannot be reached in time.
 */
export interface StormMembers {
  /**
   * Records how signals stand. One that fires and is not a member becomes one; one that has resolved and is none changes
   * nothing, unless there are members whose names are lost: then it is one of them.
   * @param storm unique to the storm request
   * @param members of distinct fingerprints; none: only the tally is asked for
   */
  record(storm: string, recorded: RecordedMembers, members: readonly StormMember[]): Promise<StormTally>;
}

export const membersLifeMs = 24 * 3_600_000;
