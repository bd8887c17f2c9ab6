import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { AccessReviewClient } from '../kubernetes/access-review.client';
import { TokenReviewClient } from '../kubernetes/token-review.client';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { Authenticator } from './authenticator';
import { Authorizer } from './authorizer';

@Module({
  providers: [
    {
      provide: Authenticator,
      inject: [TokenReviewClient, GatewayConfig, CLOCK, GatewayMetrics, LOG],
      useFactory: (
        reviews: TokenReviewClient,
        { auth }: GatewayConfig,
        clock: Clock,
        metrics: GatewayMetrics,
        log: LogSink,
      ) =>
        new Authenticator(
          reviews,
          {
            audiences: auth.audiences,
            tokenCacheTtlMs: auth.tokenCacheTtl,
            failureCacheTtlMs: auth.failureCacheTtl,
            maxReviewsInFlight: auth.maxReviewsInFlight,
          },
          clock,
          metrics,
          log,
        ),
    },
    {
      provide: Authorizer,
      inject: [AccessReviewClient, GatewayConfig, CLOCK, GatewayMetrics, LOG],
      useFactory: (
        reviews: AccessReviewClient,
        { auth }: GatewayConfig,
        clock: Clock,
        metrics: GatewayMetrics,
        log: LogSink,
      ) =>
        new Authorizer(
          reviews,
          {
            allowedTtlMs: auth.allowedCacheTtl,
            deniedTtlMs: auth.deniedCacheTtl,
            maxReviewsInFlight: auth.maxReviewsInFlight,
          },
          clock,
          metrics,
          log,
        ),
    },
  ],
  exports: [Authenticator, Authorizer],
})
export class AuthModule {}
