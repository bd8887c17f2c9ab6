import { Module } from '@nestjs/common';
import { GatewayConfig } from '../../config/gateway-config';
import type { Severity } from '../../signal/severity';
import { IntakeModule } from '../intake.module';
import { SIGNAL_RULES, signalRulesOf } from '../signal-rules';
import { KubernetesEventController } from './kubernetes-event.controller';
import type { EventRules } from './kubernetes-event.adapter';

@Module({
  imports: [IntakeModule],
  controllers: [KubernetesEventController],
  providers: [
    {
      provide: SIGNAL_RULES,
      inject: [GatewayConfig],
      useFactory: (config: GatewayConfig): EventRules => ({
        ...signalRulesOf(config, config.adapters.kubernetesEvent),
        severities: new Map(Object.entries(config.adapters.kubernetesEvent.severities) as [string, Severity][]),
      }),
    },
  ],
})
export class KubernetesEventModule {}
