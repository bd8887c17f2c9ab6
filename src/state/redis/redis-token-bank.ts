import { createHash } from 'node:crypto';
import type { BucketSize, TokenBank, Withdrawal } from '../token-bank';
import type { RedisConnection } from './redis-connection';
import { withdrawScript } from './withdraw.lua';

/** Token buckets in Redis; the time is its own. */
export class RedisTokenBank implements TokenBank {
  constructor(
    private readonly connection: RedisConnection,
    private readonly keyPrefix: string,
  ) {}

  async withdraw(key: string, tokens: number, { capacity, perMinute }: BucketSize): Promise<Withdrawal> {
    // A digest: names of callers and addresses are of any length, and nobody's business there.
    const digest = createHash('sha256').update(key).digest('hex').slice(0, 32);
    const [granted, waitMs] = await this.connection.run(withdrawScript, {
      keys: [`${this.keyPrefix}:v1:limit:{${digest}}`],
      common: [],
      each: [[tokens, capacity, perMinute]],
    });
    return { granted: Number(granted), waitMs: Number(waitMs) };
  }

  async deposit(key: string, tokens: number, size: BucketSize): Promise<void> {
    await this.withdraw(key, -tokens, size);
  }
}
