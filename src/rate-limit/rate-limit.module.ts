import { Module } from '@nestjs/common';
import { getOptionsToken, getStorageToken } from '@nestjs/throttler';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import type { OpenSignalState } from '../state/create-signal-state';
import { SIGNAL_STATE } from '../state/state.module';
import { CallerLimitStorage } from './caller-limit.storage';
import { SharedLimit } from './shared-limit';

/** What addresses may cause before a caller is known. */
export const ADDRESS_LIMIT = Symbol('SharedLimit of addresses');
/** New signals of a namespace; `undefined` when they are not limited. */
export const NAMESPACE_LIMIT = Symbol('SharedLimit of namespaces');

const minuteMs = 60_000;
/** A caller may send at once what it may send in this part of a minute. */
const burstShare = 1 / 6;
/** Of that, what a replica takes at once. */
const portionShare = 1 / 20;

const portionOf = (capacity: number) => Math.max(1, Math.floor(capacity * portionShare));

const dependencies = [SIGNAL_STATE, CLOCK, GatewayConfig, GatewayMetrics];

/** Limits of addresses (before a caller is known), of callers (the throttler's guard, after) and of namespaces. */
@Module({
  providers: [
    {
      provide: ADDRESS_LIMIT,
      inject: dependencies,
      useFactory: ({ bank }: OpenSignalState, clock: Clock, { rateLimit }: GatewayConfig, metrics: GatewayMetrics) =>
        new SharedLimit(bank, clock, {
          kind: 'address',
          size: { capacity: rateLimit.burst, perMinute: rateLimit.requestsPerMinute },
          onRefused: () => metrics.rateLimited.count({ kind: 'address' }),
        }),
    },
    {
      provide: NAMESPACE_LIMIT,
      inject: dependencies,
      useFactory: (
        { bank }: OpenSignalState,
        clock: Clock,
        { rateLimit: { perNamespace } }: GatewayConfig,
        metrics: GatewayMetrics,
      ) =>
        perNamespace === false
          ? undefined
          : new SharedLimit(bank, clock, {
              kind: 'namespace',
              size: { capacity: perNamespace, perMinute: perNamespace },
              portion: portionOf(perNamespace),
              onRefused: () => metrics.rateLimited.count({ kind: 'namespace' }),
            }),
    },
    {
      provide: getOptionsToken(),
      inject: [GatewayConfig],
      useFactory: ({ rateLimit }: GatewayConfig) => ({
        throttlers: [{ name: 'caller', ttl: minuteMs, limit: rateLimit.authenticatedRequestsPerMinute }],
        setHeaders: false,
      }),
    },
    {
      provide: getStorageToken(),
      inject: dependencies,
      useFactory: ({ bank }: OpenSignalState, clock: Clock, { rateLimit }: GatewayConfig, metrics: GatewayMetrics) => {
        const perMinute = rateLimit.authenticatedRequestsPerMinute;
        const capacity = Math.max(1, Math.ceil(perMinute * burstShare));
        return new CallerLimitStorage(
          new SharedLimit(bank, clock, {
            kind: 'caller',
            size: { capacity, perMinute },
            portion: portionOf(capacity),
            onRefused: () => metrics.rateLimited.count({ kind: 'caller' }),
          }),
        );
      },
    },
  ],
  exports: [ADDRESS_LIMIT, NAMESPACE_LIMIT, getOptionsToken(), getStorageToken()],
})
export class RateLimitModule {}
