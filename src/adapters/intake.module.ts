import { Module } from '@nestjs/common';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { ProcessingModule } from '../processing/processing.module';
import { SignalProcessor } from '../processing/signal-processor';
import { SignalIntake } from './signal-intake';

/** What every source shares on its way in and out. */
@Module({
  imports: [ProcessingModule],
  providers: [
    {
      provide: SignalIntake,
      inject: [SignalProcessor, GatewayMetrics, LOG],
      useFactory: (processor: SignalProcessor, metrics: GatewayMetrics, log: LogSink) =>
        new SignalIntake(processor, metrics, log),
    },
  ],
  exports: [SignalIntake],
})
export class IntakeModule {}
