import type { Clock } from '../clock';
import { DegradingSignalState } from './degrading-signal-state';
import { EmbeddedSignalState } from './embedded/embedded-signal-state';
import { RedisConnection, type RedisListener } from './redis/redis-connection';
import type { RedisLinkOptions } from './redis/redis-link';
import { RedisTokenBank } from './redis/redis-token-bank';
import { RedisSignalState } from './redis/redis-signal-state';
import { DegradingStormMembers } from './degrading-storm-members';
import { DegradingStormWindows } from './degrading-storm-windows';
import { EmbeddedStormMembers } from './embedded/embedded-storm-members';
import { EmbeddedStormWindows } from './embedded/embedded-storm-windows';
import { RedisStormMembers } from './redis/redis-storm-members';
import { RedisStormWindows } from './redis/redis-storm-windows';
import type { SignalState } from './signal-state';
import type { StormMembers } from './storm-members';
import type { StormWindows } from './storm-windows';
import type { TokenBank } from './token-bank';

export interface RedisStateOptions extends RedisLinkOptions {
  /** While Redis cannot be reached: `degrade` answers from this process, `reject` fails with StateUnavailableError. */
  readonly onFailure: 'degrade' | 'reject';
}

export interface SignalStateOptions {
  readonly redis?: RedisStateOptions | undefined;
  readonly ttlMs: number;
  readonly leaseMs?: number;
  readonly cleanupIntervalMs: number;
  readonly clock: Clock;
  readonly onRedisChange: RedisListener;
  readonly onRedisWarning?: (warning: string) => void;
}

export interface OpenSignalState {
  readonly state: SignalState;
  readonly storms: StormWindows;
  readonly members: StormMembers;
  /** Absent when there is no Redis. */
  readonly connection?: RedisConnection;
  /** What replicas share of their limits; absent when there is no Redis. */
  readonly bank?: TokenBank;
  /** How many fingerprints this process holds itself. */
  readonly size: () => number;
  /** How many groups of signals this process counts itself. */
  readonly groups: () => number;
  readonly close: () => Promise<void>;
}

const defaultLeaseMs = 10_000;

/**
 * The memory that the configuration asks for. It does not wait for Redis: until that is up, it is as good as down.
 * @throws TypeError when the address of Redis is none
 */
export function createSignalState(options: SignalStateOptions): OpenSignalState {
  const { redis, clock, ttlMs, leaseMs = defaultLeaseMs, cleanupIntervalMs } = options;
  const local = new EmbeddedSignalState({ clock, ttlMs, leaseMs, cleanupIntervalMs });
  const localStorms = new EmbeddedStormWindows(clock);
  const localMembers = new EmbeddedStormMembers(clock);
  const sizes = { size: () => local.size, groups: () => localStorms.size };
  if (redis === undefined || !hasPlace(redis)) {
    const close = () => {
      local.close();
      return Promise.resolve();
    };
    return { state: local, storms: localStorms, members: localMembers, ...sizes, close };
  }

  let wasUp = false;
  const connection = new RedisConnection({
    ...redis,
    onChange: (status) => {
      // What an outage before this one left here was seen again since, by the shared memory.
      if (!status.up && wasUp) local.forgetEntries();
      wasUp = status.up;
      options.onRedisChange(status);
    },
    onWarning: options.onRedisWarning,
  });
  connection.open();
  const shared = new RedisSignalState({ connection, keyPrefix: redis.keyPrefix, ttlMs, leaseMs });
  const sharedStorms = new RedisStormWindows(connection, redis.keyPrefix);
  const sharedMembers = new RedisStormMembers(connection, redis.keyPrefix);
  const degrades = redis.onFailure === 'degrade';
  return {
    state: degrades ? new DegradingSignalState(shared, local) : shared,
    storms: degrades ? new DegradingStormWindows(sharedStorms, localStorms) : sharedStorms,
    members: degrades ? new DegradingStormMembers(sharedMembers, localMembers) : sharedMembers,
    connection,
    bank: new RedisTokenBank(connection, redis.keyPrefix),
    ...sizes,
    close: () => {
      local.close();
      connection.close();
      return Promise.resolve();
    },
  };
}

/** An empty address means that there is no Redis, unless there are Sentinels or nodes that know better. */
function hasPlace({ addr, sentinel, clusterNodes = [] }: RedisStateOptions): boolean {
  return addr !== '' || sentinel !== undefined || clusterNodes.length > 0;
}
