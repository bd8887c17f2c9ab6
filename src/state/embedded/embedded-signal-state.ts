import { randomBytes } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock';
import { recentlyUsed } from '../../recently-used';
import {
  mayAppearMs,
  type Claim,
  type ClaimRequest,
  type Confirmation,
  type Entry,
  type Found,
  type Occurrences,
  type Release,
  type SignalState,
} from '../signal-state';
import { isSameRequest } from '../../request-ref';

export interface EmbeddedSignalStateOptions {
  readonly clock: Clock;
  /** How long a confirmed entry lives after its last sighting. Milliseconds. */
  readonly ttlMs: number;
  /** How long a claim is held that is neither confirmed nor released. Milliseconds. */
  readonly leaseMs: number;
  /** How often expired entries are removed; until then they only take space. Milliseconds. */
  readonly cleanupIntervalMs: number;
  readonly maxFingerprints?: number;
}

/** What is held of a fingerprint: a bare claim, that of nobody, or an entry and the token that confirmed it. */
interface Holding {
  readonly token: string;
  readonly entry?: Entry;
  readonly lifeMs?: number | undefined;
}

const defaultMaxFingerprints = 100_000;
/** The claim of nobody: it was given back, and its object may appear. */
const noToken = '';
const tokenPrefix = 'embedded-';

/** Whether a claim was made in the memory of this process rather than in the shared one. */
export function isEmbeddedToken(token: string): boolean {
  return token.startsWith(tokenPrefix);
}

/**
 * The memory of one process. It holds at most `maxFingerprints` and then forgets the least recently seen; what is lost
 * is only its count, because the next sighting finds the object in the cluster.
 */
export class EmbeddedSignalState implements SignalState {
  private readonly holdings: LRUCache<string, Holding>;
  private readonly cleanup: NodeJS.Timeout;
  /** Of this memory and no other: a request names the claim that it was created for. */
  private readonly tokens = `${tokenPrefix}${randomBytes(8).toString('hex')}-`;
  private claims = 0;

  constructor(private readonly options: EmbeddedSignalStateOptions) {
    this.holdings = recentlyUsed(options.maxFingerprints ?? defaultMaxFingerprints, {
      ttl: options.ttlMs,
      // Ask the clock every time: the cache would keep an answer for a real millisecond, whatever the clock says.
      ttlResolution: 0,
      perf: options.clock,
    });
    this.cleanup = setInterval(() => this.holdings.purgeStale(), options.cleanupIntervalMs).unref();
  }

  /** How many fingerprints are held, expired ones included until they are cleaned up. */
  get size(): number {
    return this.holdings.size;
  }

  claim(requests: readonly ClaimRequest[]): Promise<Claim[]> {
    return Promise.resolve(requests.map((request) => this.claimOne(request)));
  }

  confirm(confirmations: readonly Confirmation[]): Promise<(Occurrences | undefined)[]> {
    return Promise.resolve(confirmations.map((confirmation) => this.confirmOne(confirmation)));
  }

  release(releases: readonly Release[]): Promise<void> {
    for (const { fingerprint, token, mayAppear } of releases) {
      const held = this.holdings.peek(fingerprint);
      if (held?.token !== token || held.entry !== undefined) continue;
      if (mayAppear) this.hold(fingerprint, { token: noToken, lifeMs: mayAppearMs });
      else this.holdings.delete(fingerprint);
    }
    return Promise.resolve();
  }

  find(fingerprints: readonly string[]): Promise<Found[]> {
    const found = fingerprints.map((fingerprint) => this.holdings.peek(fingerprint));
    return Promise.resolve(
      found.map((held) => held && (held.entry ?? (held.token === noToken ? 'uncertain' : 'pending'))),
    );
  }

  /** Forgets what is confirmed, and keeps what is claimed. */
  forgetEntries(): void {
    for (const [fingerprint, { entry }] of this.holdings.entries())
      if (entry !== undefined) this.holdings.delete(fingerprint);
  }

  close(): void {
    clearInterval(this.cleanup);
  }

  private claimOne({ fingerprint, over }: ClaimRequest): Claim {
    const held = this.holdings.get(fingerprint);
    if (held !== undefined && held.entry === undefined && held.token !== noToken) {
      return { outcome: 'pending', fingerprint, leaseMs: this.holdings.getRemainingTTL(fingerprint) };
    }
    if (held?.entry !== undefined && !(over && isSameRequest(held.entry.request, over))) {
      const entry = { ...held.entry, count: held.entry.count + 1, lastSeen: this.options.clock.now() };
      this.hold(fingerprint, { ...held, entry });
      return { outcome: 'duplicate', fingerprint, ...entry };
    }
    const token = `${this.tokens}${++this.claims}`;
    this.hold(fingerprint, { token, lifeMs: this.options.leaseMs });
    return { outcome: 'new', fingerprint, token };
  }

  private confirmOne({ fingerprint, token, request, known, lifeMs }: Confirmation): Occurrences | undefined {
    const held = this.holdings.get(fingerprint);
    if (held !== undefined && held.token !== token && held.token !== noToken) return undefined;
    if (held?.entry !== undefined) return occurrencesOf(held.entry);

    const now = this.options.clock.now();
    const occurrences = { count: (known?.count ?? 0) + 1, firstSeen: known?.firstSeen ?? now, lastSeen: now };
    this.hold(fingerprint, { token, entry: { request, ...occurrences }, lifeMs });
    return occurrences;
  }

  private hold(fingerprint: string, holding: Holding): void {
    const { lifeMs } = holding;
    this.holdings.set(fingerprint, holding, lifeMs === undefined ? {} : { ttl: lifeMs });
  }
}

function occurrencesOf({ count, firstSeen, lastSeen }: Entry): Occurrences {
  return { count, firstSeen, lastSeen };
}
