/** What is said of a signal that is part of a storm. */
export interface StormMember {
  readonly fingerprint: string;
  readonly resource: string;
  readonly firing: boolean;
  /** The sender's own identity of the alert; several may be one signal. `unknownAlert` says only that the signal fires, and adds none. */
  readonly alert: string;
  /** When it began to fire, of one that has resolved when it ended. Milliseconds since the epoch. */
  readonly at: number;
  /** When this was said, of what tells of an occurrence when that was. Milliseconds since the epoch. */
  readonly said: number;
  /** Whether it may have been recorded before: then it adds no alert to a member that fires. */
  readonly again?: boolean;
}

/** A member that the storm request names. */
export type ListedMember = Pick<StormMember, 'fingerprint' | 'resource' | 'firing'>;

/** What the storm request itself says of its members: a memory that knows less goes on from there. */
export interface RecordedMembers {
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  /** By when its last member had joined. Milliseconds since the epoch. */
  readonly lastMemberAt: number;
  /** Whether that is long ago, so that who began before it and comes only now is one of those that are counted already. */
  readonly isQuiet: boolean;
  /** Of the tally that it was written by. */
  readonly version: number;
  /** How often it was written without the memory that replicas share. */
  readonly writesApart: number;
  /** Whether it was this process that wrote it last, without that memory. */
  readonly ownApart: boolean;
  /** The members that it names; there may be more. */
  readonly listed: readonly ListedMember[];
  /** Whether those are all: who is counted beyond them is counted twice. */
  readonly listsAll: boolean;
  /** Of how many is known that they may be counted twice. */
  readonly maybeTwice: number;
}

export interface StormTally {
  readonly alertCount: number;
  readonly resolvedCount: number;
  readonly totalAffectedResources: number;
  /** Members are counted whose names are lost. */
  readonly approximate: boolean;
  /** How many of them may be counted twice. */
  readonly maybeTwice: number;
  /** Grows with everything that is recorded. */
  readonly version: number;
  /** Whether the memory is this process's own. */
  readonly apart: boolean;
  /** By fingerprint of those that were recorded or asked for: whether the member fires now; none of who was never part of the storm. */
  readonly firing: ReadonlyMap<string, boolean>;
}

/**
 * Who is part of which storm, so that everybody is counted once: however often it is sent, to whichever replica, and if the one
 * that counted it died before its sender was answered.
 *
 * Where the request shows that it was written by a memory that knew more, or by another one, this memory begins anew from it. The
 * names that the request does not list are lost then. Who resolves takes the place of one of them. Who fires does so only when
 * nobody had joined for long: in the middle of a storm it may be new, and is counted, perhaps twice. When all that have names
 * have resolved, and enough of them may be counted twice to be all that have none, then all have.
 *
 * It is lost a day after the last change. Rejects with `StateUnavailableError` when it cannot be reached in time.
 */
export interface StormMembers {
  /**
   * Records what is said of signals. One that fires and is not a member becomes one. A member has resolved when none of its
   * sender's alerts fires any more; the end of an earlier firing is none. It does not fire again by what was said before it had resolved.
   * @param storm unique to the storm request
   * @param members of distinct pairs of fingerprint and alert; none: only the tally is asked for
   * @param asked fingerprints of which only is asked how they stand
   */
  record(
    storm: string,
    recorded: RecordedMembers,
    members: readonly StormMember[],
    asked?: readonly string[],
  ): Promise<StormTally>;
}

export const membersLifeMs = 24 * 3_600_000;
/** Of one storm; beyond it, members are counted and their names not kept. */
export const maxNamedMembers = 50_000;
/** Of one member. */
export const maxAlertsOfMember = 16;
/** Stands for alerts of a member whose names are not known. */
export const unknownAlert = '?';
