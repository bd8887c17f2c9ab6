import { Module } from '@nestjs/common';
import { getOptionsToken, getStorageToken } from '@nestjs/throttler';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { TokenBuckets, TokenBucketStorage } from './token-buckets';

const minuteMs = 60_000;
/** A caller may send at once what it may send in this part of a minute. */
const burstShare = 1 / 6;

/** Limits of addresses (`TokenBuckets`, before a caller is known) and of callers (the throttler's guard, after). */
@Module({
  providers: [
    {
      provide: TokenBuckets,
      inject: [CLOCK, GatewayConfig],
      useFactory: (clock: Clock, { rateLimit }: GatewayConfig) =>
        new TokenBuckets(clock, { capacity: rateLimit.burst, perMinute: rateLimit.requestsPerMinute }),
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
      inject: [CLOCK, GatewayConfig],
      useFactory: (clock: Clock, { rateLimit }: GatewayConfig) => {
        const perMinute = rateLimit.authenticatedRequestsPerMinute;
        return new TokenBucketStorage(
          new TokenBuckets(clock, { capacity: Math.max(1, Math.ceil(perMinute * burstShare)), perMinute }),
        );
      },
    },
  ],
  exports: [TokenBuckets, getOptionsToken(), getStorageToken()],
})
export class RateLimitModule {}
