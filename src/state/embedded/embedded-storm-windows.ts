import type { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock';
import { recentlyUsed } from '../../recently-used';
import {
  isOpen,
  maxBefore,
  maxRemembered,
  type Placement,
  type StormCandidate,
  type StormGroup,
  type StormRules,
  type StormWindow,
  type StormWindows,
} from '../storm-windows';

interface Counted {
  readonly candidate: StormCandidate;
  readonly at: number;
}

/** What is remembered of a group. */
interface Counts {
  /** By fingerprint: when it was first counted. */
  readonly rate: Map<string, number>;
  /** By fingerprint, the oldest first. */
  readonly patterns: Map<string, Counted>;
  window: StormWindow | undefined;
  /** The fingerprints that were counted before the window opened. */
  ordinary: ReadonlySet<string>;
}

const defaultMaxGroups = 10_000;

/** The windows of one process; of too many groups, the ones seen longest ago are forgotten. */
export class EmbeddedStormWindows implements StormWindows {
  private readonly groups: LRUCache<string, Counts>;

  constructor(
    private readonly clock: Clock,
    maxGroups = defaultMaxGroups,
  ) {
    this.groups = recentlyUsed(maxGroups);
  }

  get size(): number {
    return this.groups.size;
  }

  place(groups: readonly StormGroup[], rules: StormRules): Promise<(readonly Placement[])[]> {
    return Promise.resolve(groups.map((group) => this.placeGroup(group, rules)));
  }

  close(key: string): Promise<void> {
    this.groups.delete(key);
    return Promise.resolve();
  }

  private placeGroup({ key, candidates, known, overSince = 0 }: StormGroup, rules: StormRules): Placement[] {
    const now = this.clock.now();
    const counts = this.groups.get(key) ?? {
      rate: new Map(),
      patterns: new Map(),
      window: undefined,
      ordinary: new Set(),
    };
    this.groups.set(key, counts);
    const open = [counts.window, known].find(
      (window) => window !== undefined && window.openedAt > overSince && isOpen(window, rules, now),
    );
    if (counts.window !== undefined && open === undefined) {
      counts.ordinary = new Set();
      counts.patterns.clear();
    }
    counts.window = open;

    return candidates.map((candidate) => {
      if (counts.ordinary.has(candidate.fingerprint)) return { kind: 'ordinary' };
      if (counts.window !== undefined) {
        counts.window = { ...counts.window, lastMemberAt: now };
        return { kind: 'member', window: counts.window };
      }
      return this.count(counts, candidate, rules, now);
    });
  }

  private count(counts: Counts, candidate: StormCandidate, rules: StormRules, now: number): Placement {
    const { rate, patterns } = counts;
    const { fingerprint } = candidate;
    for (const [counted, at] of rate) if (now - at >= rules.rateWindowMs) rate.delete(counted);
    if (!rate.has(fingerprint)) rate.set(fingerprint, now);
    for (const [counted, { at }] of patterns) if (now - at >= rules.patternWindowMs) patterns.delete(counted);
    patterns.delete(fingerprint);
    const similar = [...patterns.values()].filter((other) =>
      areAlike(candidate.tokens, other.candidate.tokens, rules.similarityThreshold),
    );
    const resources = new Set([candidate.resource, ...similar.map((other) => other.candidate.resource)]);

    const isRate = rate.size > rules.rateThreshold;
    if (isRate || resources.size > rules.patternThreshold) {
      const alike = similar.map((other) => other.candidate.fingerprint);
      const before = isRate ? [...rate.keys()] : alike;
      counts.window = { type: isRate ? 'rate' : 'pattern', openedAt: now, lastMemberAt: now };
      const isOther = (other: string) => other !== fingerprint;
      counts.ordinary = new Set([...rate.keys(), ...alike].filter(isOther));
      rate.clear();
      patterns.clear();
      return { kind: 'crossing', window: counts.window, before: before.filter(isOther).slice(0, maxBefore) };
    }
    patterns.set(fingerprint, { candidate, at: now });
    const [oldest] = patterns.keys();
    if (patterns.size > maxRemembered(rules) && oldest !== undefined) patterns.delete(oldest);
    return { kind: 'ordinary' };
  }
}

/** Whether the Jaccard index of two bounded sets reaches the threshold. */
function areAlike(a: readonly string[], b: readonly string[], threshold: number): boolean {
  const set = new Set(a);
  const shared = b.filter((token) => set.has(token)).length;
  const all = set.size + b.length - shared;
  return all === 0 || shared / all >= threshold;
}
