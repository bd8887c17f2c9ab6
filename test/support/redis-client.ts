import { systemClock } from '../../src/clock';
import { createSignalState, type OpenSignalState, type RedisStateOptions } from '../../src/state/create-signal-state';
import type { RedisConnection, RedisStatus } from '../../src/state/redis/redis-connection';

export interface ConnectedState extends OpenSignalState {
  readonly connection: RedisConnection;
  /** What the listener was told, in order. */
  readonly changes: readonly RedisStatus[];
  /** Whether it was up, each time that this changed. */
  readonly turns: readonly boolean[];
  /** What was wrong with how Redis is set up. */
  readonly warnings: readonly string[];
}

/** A state as the gateway opens it, with lives of 5 minutes and 10 seconds unless told otherwise. It need not be up yet. */
export function connectState(
  redis: Pick<RedisStateOptions, 'addr'> & Partial<RedisStateOptions>,
  lives: { ttlMs?: number; leaseMs?: number } = {},
): ConnectedState {
  const changes: RedisStatus[] = [];
  const warnings: string[] = [];
  const { connection, ...opened } = createSignalState({
    redis: {
      db: 0,
      dialTimeoutMs: 1_000,
      commandTimeoutMs: 5_000,
      onFailure: 'reject',
      keyPrefix: 'gateway',
      ...redis,
    },
    ttlMs: 300_000,
    ...lives,
    clock: systemClock,
    cleanupIntervalMs: 60_000,
    onRedisChange: (status) => changes.push(status),
    onRedisWarning: (warning) => warnings.push(warning),
  });
  if (connection === undefined) throw new Error('an address of Redis is needed');
  return {
    ...opened,
    connection,
    changes,
    get turns() {
      return changes.map(({ up }) => up).filter((up, i, all) => up !== all[i - 1]);
    },
    warnings,
  };
}
