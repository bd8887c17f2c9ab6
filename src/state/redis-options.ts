import type { GatewayConfig } from '../config/gateway-config';
import type { SignalStateOptions } from './create-signal-state';
import { readRedisTls } from './redis/redis-tls';

/** What is configured, as the shared memory takes it. */
export function redisOptionsOf(redis: GatewayConfig['redis']): SignalStateOptions['redis'] {
  return {
    addr: redis.addr,
    sentinel:
      redis.sentinels.length === 0
        ? undefined
        : {
            addrs: redis.sentinels,
            master: redis.sentinelMaster,
            username: redis.sentinelUsername,
            password: redis.sentinelPassword,
          },
    clusterNodes: redis.clusterNodes,
    tls: redis.tls.enabled ? readRedisTls(redis.tls) : undefined,
    username: redis.username,
    password: redis.password,
    db: redis.db,
    dialTimeoutMs: redis.dialTimeout,
    commandTimeoutMs: redis.commandTimeout,
    readTimeoutMs: redis.readTimeout,
    onFailure: redis.onFailure,
    keyPrefix: redis.keyPrefix,
  };
}
