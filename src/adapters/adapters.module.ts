import { Module, type DynamicModule } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import type { GatewayConfig } from '../config/gateway-config';
import { sources } from './sources';

/** The enabled sources, each at its configured path. What is not enabled is not even loaded. */
@Module({})
export class AdaptersModule {
  static async forRoot({ adapters }: GatewayConfig): Promise<DynamicModule> {
    const enabled = Object.entries(sources)
      .map(([name, { module }]) => ({ module, settings: adapters[name as keyof typeof sources] }))
      .filter(({ settings }) => settings.enabled);
    const routes = await Promise.all(
      enabled.map(async ({ module, settings: { path } }) => ({ path, module: await module() })),
    );
    return {
      module: AdaptersModule,
      imports: [...routes.map(({ module }) => module), RouterModule.register(routes)],
    };
  }
}
