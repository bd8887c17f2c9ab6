import type { Clock } from '../clock';
import { DegradingSignalState } from './degrading-signal-state';
import { EmbeddedSignalState } from './embedded/embedded-signal-state';
import { RedisConnection, type RedisListener } from './redis/redis-connection';
import type { RedisLinkOptions } from './redis/redis-link';
import { RedisTokenBank } from './redis/redis-token-bank';
import { RedisSignalState } from './redis/redis-signal-state';
import type { SignalState } from './signal-state';
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
  /** Absent when there is no Redis. */
  readonly connection?: RedisConnection;
  /** What replicas share of their limits; absent when there is no Redis. */
  readonly bank?: TokenBank;
  /** How many fingerprints this process holds itself. */
  readonly size: () => number;
  readonly close: () => Promise<void>;
}

const defaultLeaseMs = 10_000;

/**
 * The memory that the configuration asks for. It does not wait for Redis: until that is up, it is as good as down.
 * @throws TypeError when the address of Redis is none
 */
export function createSignalState(options: SignalStateOptions): OpenSignalState {
  const { redis, clock, ttlMs, leaseMs = defaultLeaseMs, cleanupIntervalMs } = options;
  if (redis === undefined || !hasPlace(redis)) {
    const embedded = new EmbeddedSignalState({ clock, ttlMs, leaseMs, cleanupIntervalMs });
    return opened(embedded, embedded);
  }

  const connection = new RedisConnection({
    ...redis,
    onChange: options.onRedisChange,
    onWarning: options.onRedisWarning,
  });
  connection.open();
  const shared = new RedisSignalState({ connection, keyPrefix: redis.keyPrefix, ttlMs, leaseMs });
  const remote = { connection, bank: new RedisTokenBank(connection, redis.keyPrefix) };
  switch (redis.onFailure) {
    case 'reject':
      return opened(shared, undefined, remote);
    case 'degrade': {
      const local = new EmbeddedSignalState({ clock, ttlMs, leaseMs, cleanupIntervalMs });
      return opened(new DegradingSignalState(shared, local), local, remote);
    }
  }
}

function opened(
  state: SignalState,
  embedded?: EmbeddedSignalState,
  remote?: Required<Pick<OpenSignalState, 'connection' | 'bank'>>,
): OpenSignalState {
  return {
    state,
    ...remote,
    size: () => embedded?.size ?? 0,
    close: () => {
      embedded?.close();
      remote?.connection.close();
      return Promise.resolve();
    },
  };
}

/** An empty address means that there is no Redis, unless there are Sentinels or nodes that know better. */
function hasPlace({ addr, sentinel, clusterNodes = [] }: RedisStateOptions): boolean {
  return addr !== '' || sentinel !== undefined || clusterNodes.length > 0;
}
