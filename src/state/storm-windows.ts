/** A new signal, as storms are counted. */
export interface StormCandidate {
  readonly fingerprint: string;
  /** What it is about; for a pattern, distinct ones count. */
  readonly resource: string;
  /** Its labels, as short texts. How alike two signals are is the Jaccard index of these. */
  readonly tokens: readonly string[];
}

export type StormType = 'rate' | 'pattern';

/** The time in which new signals of a group join its storm. By the state's own clock, in milliseconds since the epoch. */
export interface StormWindow {
  readonly type: StormType;
  readonly openedAt: number;
  readonly lastMemberAt: number;
}

/** New signals, of distinct fingerprints, that are counted together. */
export interface StormGroup {
  /** Unique to the group by its first 32 characters, which are letters and digits: a digest. */
  readonly key: string;
  readonly candidates: readonly StormCandidate[];
  /** The window by what the group's live storm request says: a memory that lost its own goes on from there. */
  readonly known?: StormWindow | undefined;
  /** When the group's last storm was over, if it is: a window that was open by then has ended with it. Milliseconds since the epoch. */
  readonly overSince?: number | undefined;
}

/** Thresholds mean "more than". Times in milliseconds. */
export interface StormRules {
  readonly rateThreshold: number;
  readonly rateWindowMs: number;
  readonly patternThreshold: number;
  readonly patternWindowMs: number;
  /** From 0 to 1: how alike signals of one pattern are. */
  readonly similarityThreshold: number;
  /** A window closes after so long without a member, */
  readonly aggregationWindowMs: number;
  /** and at the latest after so long. */
  readonly maxWindowMs: number;
}

export type Placement =
  /** Nothing is stormy about it, or it was counted as ordinary before the storm that is going on: its request may be under way. */
  | { readonly kind: 'ordinary' }
  /** It is the one that makes a storm of the ordinary ones before it, whose fingerprints it is told. */
  | { readonly kind: 'crossing'; readonly window: StormWindow; readonly before: readonly string[] }
  /** A storm is going on, and it was not counted before that. */
  | { readonly kind: 'member'; readonly window: StormWindow };

/**
 * Counts new signals by group, in a sliding window, and says which of them are part of a storm (contract, section 6).
 *
 * A fingerprint counts once, however often it is placed. What is lost costs precision: a storm is noticed a little later.
 * Each operation rejects with `StateUnavailableError` when the memory cannot be reached in time.
 */
export interface StormWindows {
  /** Atomic per group; answers index-aligned, in the order of the candidates. Groups are distinct. */
  place(groups: readonly StormGroup[], rules: StormRules): Promise<(readonly Placement[])[]>;

  /** Ends a window, because its storm request is over. The next signals of the group are ordinary, and counted anew. */
  close(key: string): Promise<void>;
}

/** Whether a new signal joins by this window. */
export function isOpen({ openedAt, lastMemberAt }: StormWindow, rules: StormRules, now: number): boolean {
  return now - lastMemberAt < rules.aggregationWindowMs && now - openedAt < rules.maxWindowMs;
}

/** At most so many of the signals before a storm are told. */
export const maxBefore = 100;

/** Similar signals that are remembered of a group: those that can still make a pattern, and some that are not alike. */
export function maxRemembered({ patternThreshold }: StormRules): number {
  return 4 * patternThreshold + 20;
}
