import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { createSignalState, type OpenSignalState } from './create-signal-state';
import { redisOptionsOf } from './redis-options';

export const SIGNAL_STATE = Symbol('OpenSignalState');

/** The shared memory: Redis where one is configured, else this process. */
@Global()
@Module({
  providers: [
    {
      provide: SIGNAL_STATE,
      inject: [GatewayConfig, CLOCK, GatewayMetrics, LOG],
      useFactory: ({ redis, deduplication }: GatewayConfig, clock: Clock, metrics: GatewayMetrics, log: LogSink) =>
        createSignalState({
          redis: redisOptionsOf(redis),
          ttlMs: deduplication.ttl,
          cleanupIntervalMs: deduplication.cleanupInterval,
          clock,
          onRedisWarning: (warning) => log.warn({}, warning),
          onRedisChange: (status) => {
            metrics.redisConnection.set(status.up ? 1 : 0);
            const place = addressesOf(redis);
            if (status.up) log.info(place, 'connected to Redis');
            else log.error({ ...place, on_failure: redis.onFailure }, `failed to connect to Redis: ${status.reason}`);
          },
        }),
    },
  ],
  exports: [SIGNAL_STATE],
})
export class StateModule implements OnApplicationShutdown {
  constructor(@Inject(SIGNAL_STATE) private readonly opened: OpenSignalState) {}

  onApplicationShutdown(): Promise<void> {
    return this.opened.close();
  }
}

/** Where Redis is looked for, for the log. */
function addressesOf({ addr, sentinels, clusterNodes }: GatewayConfig['redis']): object {
  if (sentinels.length > 0) return { sentinels };
  return clusterNodes.length > 0 ? { cluster_nodes: clusterNodes } : { addr };
}
