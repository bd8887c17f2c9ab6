import type { Clock } from '../clock';
import { recentlyUsed } from '../recently-used';
import type { BucketSize } from '../state/token-bank';

interface Bucket {
  tokens: number;
  updatedAt: number;
}

/** The least recently seen are forgotten first, and start with a full bucket again. */
export const maxBuckets = 50_000;

/**
 * The token buckets of this process, one a key: constant cost and bounded memory. Whoever never pauses is let in at the
 * rate.
 */
export class TokenBuckets {
  private readonly buckets = recentlyUsed<string, Bucket>(maxBuckets);

  constructor(
    private readonly clock: Clock,
    private readonly size: BucketSize,
  ) {}

  get count(): number {
    return this.buckets.size;
  }

  /** Takes a token. Answers 0, or how many milliseconds until there is one. */
  take(key: string): number {
    const bucket = this.filled(key);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 60_000) / this.size.perMinute);
    bucket.tokens -= 1;
    return 0;
  }

  /** Puts a token back that should not have been charged. */
  giveBack(key: string): void {
    const bucket = this.filled(key);
    bucket.tokens = Math.min(this.size.capacity, bucket.tokens + 1);
  }

  private filled(key: string): Bucket {
    const now = this.clock.now();
    const bucket = this.buckets.get(key) ?? { tokens: this.size.capacity, updatedAt: now };
    const regained = (Math.max(0, now - bucket.updatedAt) * this.size.perMinute) / 60_000;
    bucket.tokens = Math.min(this.size.capacity, bucket.tokens + regained);
    bucket.updatedAt = now;
    this.buckets.set(key, bucket);
    return bucket;
  }
}
