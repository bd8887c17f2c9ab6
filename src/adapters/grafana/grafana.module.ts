import { Module } from '@nestjs/common';
import { GatewayConfig } from '../../config/gateway-config';
import { IntakeModule } from '../intake.module';
import { SIGNAL_RULES, signalRulesOf } from '../signal-rules';
import { GrafanaController } from './grafana.controller';

@Module({
  imports: [IntakeModule],
  controllers: [GrafanaController],
  providers: [
    {
      provide: SIGNAL_RULES,
      inject: [GatewayConfig],
      useFactory: (config: GatewayConfig) => signalRulesOf(config, config.adapters.grafana),
    },
  ],
})
export class GrafanaModule {}
