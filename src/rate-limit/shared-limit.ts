import type { Clock } from '../clock';
import { recentlyUsed } from '../recently-used';
import { StateUnavailableError } from '../state/signal-state';
import type { BucketSize, TokenBank } from '../state/token-bank';
import { maxBuckets, TokenBuckets } from './token-buckets';

export interface SharedLimitOptions {
  /** Keeps the keys of one limit apart from those of another. */
  readonly kind: string;
  readonly size: BucketSize;
  /** Tokens that are taken from the shared bucket at once, to be spent here without asking. */
  readonly portion?: number;
  /** Hears of every refusal. */
  readonly onRefused: () => void;
}

/** What this process holds of a shared bucket. */
interface Lease {
  tokens: number;
  /** The shared bucket was empty, and is until then, which was so long ahead when that was told. */
  emptyUntil: number;
  emptyForMs: number;
  /** The withdrawal that is under way. */
  renewal: Promise<void> | undefined;
}

/** A portion that is not touched for so long is forgotten; the shared bucket is full again by then. */
const idleMs = 60_000;

/**
 * A limit that replicas share: token buckets in the shared memory, of which each process takes portions and spends them
 * without asking. While the shared memory is away, or where there is none, each process limits by itself.
 */
export class SharedLimit {
  private readonly own: TokenBuckets;
  private readonly leases = recentlyUsed<string, Lease>(maxBuckets, { ttl: idleMs, updateAgeOnGet: true });

  constructor(
    private readonly bank: TokenBank | undefined,
    private readonly clock: Clock,
    private readonly options: SharedLimitOptions,
  ) {
    this.own = new TokenBuckets(clock, options.size);
  }

  /** Keys that something is remembered of. */
  get count(): number {
    return Math.max(this.leases.size, this.own.count);
  }

  /** Takes a token; at once when it is in hand or known to be missing. Answers 0, or how many milliseconds until there is one. */
  take(key: string): number | Promise<number> {
    if (this.takeInHand(key)) return 0;
    if (this.bank === undefined) return this.heard(this.own.take(key));
    const lease = this.leaseOf(key);
    const answer = this.spend(lease);
    return answer === undefined ? this.takeShared(this.bank, key, lease) : this.heard(answer);
  }

  /** Takes a token if there is one without asking; whether there is none at all, only `take` can tell. */
  takeInHand(key: string): boolean {
    if (this.bank === undefined) return this.own.take(key) === 0;
    const lease = this.leases.get(key);
    if (lease === undefined || this.spend(lease) !== 0) return false;
    // The next portion is fetched while there is still something of this one.
    if (lease.tokens < this.portion / 2 && this.portion > 1)
      void this.renew(this.bank, key, lease).catch(() => undefined);
    return true;
  }

  /** Puts a token back that should not have been charged. */
  giveBack(key: string): void {
    if (this.bank === undefined) {
      this.own.giveBack(key);
      return;
    }
    this.leaseOf(key).emptyUntil = 0;
    this.bank.deposit(this.sharedKey(key), 1, this.options.size).catch(() => this.own.giveBack(key));
  }

  private get portion(): number {
    return this.options.portion ?? 1;
  }

  private async takeShared(bank: TokenBank, key: string, lease: Lease): Promise<number> {
    for (;;) {
      try {
        await this.renew(bank, key, lease);
      } catch (error) {
        if (!(error instanceof StateUnavailableError)) throw error;
        return this.heard(this.own.take(key));
      }
      // Others wait for the same portion, and may have spent it.
      const answer = this.spend(lease);
      if (answer !== undefined) return this.heard(answer);
    }
  }

  /** 0 when there was a token in hand, else how long there will be none, `undefined` when that must be asked. */
  private spend(lease: Lease): number | undefined {
    if (lease.tokens >= 1) {
      lease.tokens -= 1;
      return 0;
    }
    const waitMs = lease.emptyUntil - this.clock.now();
    // After more than was told the clock was set back.
    return waitMs > 0 && waitMs <= lease.emptyForMs ? waitMs : undefined;
  }

  private renew(bank: TokenBank, key: string, lease: Lease): Promise<void> {
    lease.renewal ??= bank
      .withdraw(this.sharedKey(key), this.portion, this.options.size)
      .then((withdrawal) => {
        lease.tokens += withdrawal.granted;
        lease.emptyForMs = withdrawal.granted > 0 ? 0 : withdrawal.waitMs;
        lease.emptyUntil = this.clock.now() + lease.emptyForMs;
      })
      .finally(() => (lease.renewal = undefined));
    return lease.renewal;
  }

  private leaseOf(key: string): Lease {
    let lease = this.leases.get(key);
    if (lease === undefined) {
      lease = { tokens: 0, emptyUntil: 0, emptyForMs: 0, renewal: undefined };
      this.leases.set(key, lease);
    }
    return lease;
  }

  private sharedKey(key: string): string {
    return `${this.options.kind}:${key}`;
  }

  private heard(waitMs: number): number {
    if (waitMs > 0) this.options.onRefused();
    return waitMs;
  }
}
