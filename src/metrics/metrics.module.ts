import { Global, Module, type DynamicModule } from '@nestjs/common';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { register } from 'prom-client';
import { GatewayMetrics } from './gateway-metrics';

/** The gateway's metrics, for every module that counts something. */
@Global()
@Module({ providers: [GatewayMetrics], exports: [GatewayMetrics] })
export class MetricsModule {}

/** What the metrics listener serves: the exposition and nothing else, so that it can be fenced off by itself. */
@Module({})
export class MetricsListenerModule {
  static forRoot(path: string): DynamicModule {
    // The registry is the process's: a second gateway in it finds the metrics of the process already there.
    const enabled = register.getSingleMetric('process_cpu_seconds_total') === undefined;
    return {
      module: MetricsListenerModule,
      imports: [PrometheusModule.register({ path, defaultMetrics: { enabled } })],
    };
  }
}
