import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { TokenReviewClient } from '../kubernetes/token-review.client';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { Authenticator } from './authenticator';

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
  ],
  exports: [Authenticator],
})
export class AuthModule {}
