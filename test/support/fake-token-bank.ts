import type { Clock } from '../../src/clock';
import { StateUnavailableError } from '../../src/state/signal-state';
import type { BucketSize, TokenBank, Withdrawal } from '../../src/state/token-bank';

/** Buckets as Redis keeps them, which can be taken away. */
export class FakeTokenBank implements TokenBank {
  away = false;
  calls = 0;
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  constructor(private readonly clock: Clock) {}

  withdraw(key: string, tokens: number, size: BucketSize): Promise<Withdrawal> {
    this.calls++;
    if (this.away) return Promise.reject(new StateUnavailableError('away'));
    const left = this.left(key, size);
    const granted = Math.min(tokens, Math.floor(left), Math.max(1, Math.floor(left / 4)));
    this.buckets.set(key, { tokens: left - granted, at: this.clock.now() });
    return Promise.resolve({ granted, waitMs: granted > 0 ? 0 : Math.ceil(((1 - left) * 60_000) / size.perMinute) });
  }

  deposit(key: string, tokens: number, size: BucketSize): Promise<void> {
    if (this.away) return Promise.reject(new StateUnavailableError('away'));
    this.buckets.set(key, { tokens: this.left(key, size) + tokens, at: this.clock.now() });
    return Promise.resolve();
  }

  left(key: string, { capacity, perMinute }: BucketSize): number {
    const bucket = this.buckets.get(key);
    if (bucket === undefined) return capacity;
    return Math.min(capacity, bucket.tokens + ((this.clock.now() - bucket.at) * perMinute) / 60_000);
  }
}
