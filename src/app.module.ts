import { Global, Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { getOptionsToken, getStorageToken, type ThrottlerModuleOptions } from '@nestjs/throttler';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AdaptersModule } from './adapters/adapters.module';
import { AuthModule } from './auth/auth.module';
import { TokenReviewGuard } from './auth/token-review.guard';
import { CLOCK, systemClock } from './clock';
import { GatewayConfig } from './config/gateway-config';
import { HealthModule } from './health/health.module';
import { KubernetesModule } from './kubernetes/kubernetes.module';
import { LOG, type LogSink } from './logging/log-sink';
import { MetricsModule } from './metrics/metrics.module';
import type { CallerLimitStorage } from './rate-limit/caller-limit.storage';
import { CallerLimitGuard, CallerThrottlerGuard } from './rate-limit/caller-throttler.guard';
import { RateLimitModule } from './rate-limit/rate-limit.module';
import { StateModule } from './state/state.module';

/** What every module may ask for. */
@Global()
@Module({})
class CoreModule {
  static forRoot(config: GatewayConfig, log: LogSink): DynamicModule {
    return {
      module: CoreModule,
      providers: [
        { provide: GatewayConfig, useValue: config },
        { provide: CLOCK, useValue: systemClock },
        { provide: LOG, useValue: log },
      ],
      exports: [GatewayConfig, CLOCK, LOG],
    };
  }
}

/**
 * The whole gateway. A request passes, in this order: the hooks of `gateway.ts` (scope, authentication within the limit of its address, room
 * for its body), the body parser, which has a signature verified first, the guards below from top to bottom (a caller is known, and within his
 * limit), the envelope that its controller asks for, and on any error the one filter.
 */
@Module({})
export class AppModule {
  static forRoot(config: GatewayConfig, logger: Logger, kubernetesServer?: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Of Nest's own lines, what needs attention goes to the gateway's log. Requests are logged by one hook.
        LoggerModule.forRoot({ pinoHttp: { logger: logger.child({}, { level: 'warn' }) }, forRoutes: [] }),
        CoreModule.forRoot(config, logger),
        MetricsModule,
        KubernetesModule.forRoot(kubernetesServer),
        StateModule,
        AuthModule,
        RateLimitModule,
        AdaptersModule.forRoot(config),
        HealthModule.forRoot(config),
      ],
      providers: [
        { provide: APP_GUARD, useClass: TokenReviewGuard },
        {
          provide: APP_GUARD,
          inject: [getOptionsToken(), getStorageToken(), Reflector, LOG],
          useFactory: (
            options: ThrottlerModuleOptions,
            storage: CallerLimitStorage,
            reflector: Reflector,
            log: LogSink,
          ) => new CallerLimitGuard(storage, new CallerThrottlerGuard(options, reflector, storage, log)),
        },
      ],
    };
  }
}
