import { Module, type DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { GatewayConfig } from '../config/gateway-config';
import { EnvironmentOverrides } from '../kubernetes/environment-overrides';
import { EventFeed } from '../kubernetes/event-feed';
import { KubernetesApi } from '../kubernetes/kubernetes-api';
import { Namespaces } from '../kubernetes/namespaces';
import { Owners } from '../kubernetes/owners';
import { RemediationRequestIndex } from '../kubernetes/remediation-request.index';
import { SelfCheck } from '../kubernetes/self-check';
import type { OpenSignalState } from '../state/create-signal-state';
import { SIGNAL_STATE } from '../state/state.module';
import { healthController } from './health.controller';
import { Readiness } from './readiness';

@Module({})
export class HealthModule {
  static forRoot({ health }: GatewayConfig): DynamicModule {
    return {
      module: HealthModule,
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: health.enabled ? [healthController({ liveness: health.path, readiness: health.readinessPath })] : [],
      providers: [
        {
          provide: Readiness,
          inject: [
            RemediationRequestIndex,
            Namespaces,
            EnvironmentOverrides,
            SelfCheck,
            KubernetesApi,
            SIGNAL_STATE,
            GatewayConfig,
            EventFeed,
            Owners,
          ],
          useFactory: (
            index: RemediationRequestIndex,
            namespaces: Namespaces,
            overrides: EnvironmentOverrides,
            selfCheck: SelfCheck,
            api: KubernetesApi,
            { connection }: OpenSignalState,
            { redis }: GatewayConfig,
            events: EventFeed | undefined,
            owners: Owners | undefined,
          ) =>
            new Readiness(
              {
                remediationrequests: index.cache,
                namespaces: namespaces.cache,
                environment_overrides: overrides.cache,
                ...(events ? { events } : {}),
                ...(owners ? { owners } : {}),
              },
              { selfCheck, api },
              connection && { connection, onFailure: redis.onFailure },
            ),
        },
      ],
      exports: [Readiness],
    };
  }
}
