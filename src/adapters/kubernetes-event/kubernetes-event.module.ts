import { Inject, Module, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock';
import { GatewayConfig } from '../../config/gateway-config';
import { EventFeed } from '../../kubernetes/event-feed';
import { Lease } from '../../kubernetes/lease';
import { LOG, type LogSink } from '../../logging/log-sink';
import { GatewayMetrics } from '../../metrics/gateway-metrics';
import { ProcessingModule } from '../../processing/processing.module';
import { SignalProcessor } from '../../processing/signal-processor';
import type { Severity } from '../../signal/severity';
import { IntakeModule } from '../intake.module';
import { SIGNAL_RULES, signalRulesOf } from '../signal-rules';
import { EventWatcher } from './event-watcher';
import { KubernetesEventController } from './kubernetes-event.controller';
import type { EventRules } from './kubernetes-event.adapter';

@Module({
  imports: [IntakeModule, ProcessingModule],
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
    {
      provide: EventWatcher,
      inject: [Lease, EventFeed, SignalProcessor, SIGNAL_RULES, CLOCK, GatewayMetrics, LOG],
      useFactory: (
        lease: Lease | undefined,
        feed: EventFeed | undefined,
        processor: SignalProcessor,
        rules: EventRules,
        clock: Clock,
        metrics: GatewayMetrics,
        log: LogSink,
      ) => lease && feed && new EventWatcher(lease, feed, processor, rules, clock, metrics, log),
    },
  ],
})
export class KubernetesEventModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(@Inject(EventWatcher) private readonly watcher: EventWatcher | undefined) {}

  onApplicationBootstrap(): void {
    this.watcher?.start();
  }

  /** Before the connections to the API server are closed: the Lease is given up. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.watcher?.stop();
  }
}
