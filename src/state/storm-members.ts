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
  /** Of the alerts, those that were counted without the memory that replicas share. */
  readonly countedApart: number;
  /** The members that it names; there may be more. */
  readonly listed: readonly StormMember[];
}

export interface StormTally {
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  readonly countedApart: number;
  /** Members were counted whose names are lost, so that some may be counted twice. */
  readonly approximate: boolean;
}

/**
 * Who is part of which storm, so that everybody is counted once: however often it is sent, to whichever replica, and if the one
 * that counted it died before its sender was answered.
 *
 * A memory that replicas share knows everybody, whatever was written. One of a single process knows what it wrote itself; the
 * rest is what the request says.
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

  /** Takes note that the request was written as these members were recorded. */
  settle(storm: string, members: readonly StormMember[]): void;
}

export const membersLifeMs = 24 * 3_600_000;
