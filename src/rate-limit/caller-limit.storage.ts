import type { ThrottlerStorage } from '@nestjs/throttler';
import type { SharedLimit } from './shared-limit';

type Hit = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** A shared limit behind the throttler's guard, whose own storage keeps every hit. */
export class CallerLimitStorage implements ThrottlerStorage {
  constructor(private readonly limit: SharedLimit) {}

  /** Takes a token that is in hand; whether there is none at all, only `increment` can tell. */
  takeInHand(key: string): boolean {
    return this.limit.takeInHand(key);
  }

  async increment(key: string, _ttl: number, limit: number): Promise<Hit> {
    const waitMs = await this.limit.take(key);
    return {
      totalHits: waitMs > 0 ? limit + 1 : 1,
      timeToExpire: 60,
      isBlocked: waitMs > 0,
      timeToBlockExpire: Math.ceil(waitMs / 1000),
    };
  }
}
