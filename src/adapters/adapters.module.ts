import { Module, type DynamicModule } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import type { GatewayConfig } from '../config/gateway-config';
import { PrometheusModule } from './prometheus/prometheus.module';

/** The enabled sources, each at its configured path. */
@Module({})
export class AdaptersModule {
  static forRoot({ adapters }: GatewayConfig): DynamicModule {
    const sources = [{ settings: adapters.prometheus, module: PrometheusModule }].filter(
      ({ settings }) => settings.enabled,
    );
    return {
      module: AdaptersModule,
      imports: [
        ...sources.map(({ module }) => module),
        RouterModule.register(sources.map(({ settings, module }) => ({ path: settings.path, module }))),
      ],
    };
  }
}
