import { Module } from '@nestjs/common';
import { GatewayConfig } from '../../config/gateway-config';
import { IntakeModule } from '../intake.module';
import { SIGNAL_RULES, signalRulesOf } from '../signal-rules';
import { PrometheusController } from './prometheus.controller';

@Module({
  imports: [IntakeModule],
  controllers: [PrometheusController],
  providers: [
    {
      provide: SIGNAL_RULES,
      inject: [GatewayConfig],
      useFactory: (config: GatewayConfig) => signalRulesOf(config, config.adapters.prometheus),
    },
  ],
})
export class PrometheusModule {}
