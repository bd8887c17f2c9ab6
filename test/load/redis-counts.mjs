// What a Redis has been asked so far, by its own count: scripts that were run, and how often it read from a connection. What is written
// together is read at once, so that reads are round trips.
import { Redis } from 'ioredis';

export class RedisCounts {
  redis;
  /** Its own question is none of those that it counts. */
  asked = 0;

  constructor(port) {
    this.redis = new Redis({ host: '127.0.0.1', port });
  }

  async take() {
    const info = await this.redis.info('everything');
    this.asked += 1;
    const of = (pattern) => Number(pattern.exec(info)?.[1] ?? 0);
    return {
      scripts: of(/cmdstat_evalsha:calls=(\d+)/) + of(/cmdstat_eval:calls=(\d+)/),
      reads: of(/total_reads_processed:(\d+)/) - this.asked,
    };
  }

  close() {
    this.redis.disconnect();
  }
}
