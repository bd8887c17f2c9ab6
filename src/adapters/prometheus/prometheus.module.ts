import { Module } from '@nestjs/common';
import { GatewayConfig } from '../../config/gateway-config';
import { IntakeModule } from '../intake.module';
import type { Severity } from '../../signal/severity';
import { PrometheusController } from './prometheus.controller';
import { SIGNAL_RULES, type SignalRules } from './prometheus.adapter';

@Module({
  imports: [IntakeModule],
  controllers: [PrometheusController],
  providers: [
    {
      provide: SIGNAL_RULES,
      inject: [GatewayConfig],
      useFactory: ({ fingerprint, signals }: GatewayConfig): SignalRules => ({
        cluster: fingerprint.cluster,
        identityLabels: fingerprint.identityLabels,
        replicaLabels: new Set(fingerprint.replicaLabels),
        defaultNamespace: signals.defaultNamespace,
        severityMapping: new Map(Object.entries(signals.severityMapping) as [string, Severity][]),
      }),
    },
  ],
})
export class PrometheusModule {}
