import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { LOG, type LogSink } from '../logging/log-sink';
import { EnvironmentOverrides } from './environment-overrides';
import { KubernetesApi } from './kubernetes-api';
import { Namespaces } from './namespaces';
import { RemediationRequestClient } from './remediation-request.client';
import { RemediationRequestIndex } from './remediation-request.index';
import { TokenReviewClient } from './token-review.client';

/** The way to the API server, what is watched there, and the calls that are made. */
@Global()
@Module({})
export class KubernetesModule implements OnApplicationShutdown {
  /** @param server address of an API server that needs no credentials, in place of the configured one */
  static forRoot(server?: string): DynamicModule {
    return {
      module: KubernetesModule,
      providers: [
        {
          provide: KubernetesApi,
          inject: [GatewayConfig],
          useFactory: ({ kubernetes: { kubeconfig, context, connections } }: GatewayConfig) =>
            KubernetesApi.connect({ kubeconfig, context, connections, ...(server === undefined ? {} : { server }) }),
        },
        {
          provide: RemediationRequestClient,
          inject: [KubernetesApi],
          useFactory: (api: KubernetesApi) => new RemediationRequestClient(api),
        },
        {
          provide: TokenReviewClient,
          inject: [KubernetesApi],
          useFactory: (api: KubernetesApi) => new TokenReviewClient(api),
        },
        {
          provide: RemediationRequestIndex,
          inject: [KubernetesApi, RemediationRequestClient, CLOCK, LOG],
          useFactory: (api: KubernetesApi, client: RemediationRequestClient, clock: Clock, log: LogSink) =>
            new RemediationRequestIndex(api, client, clock, log),
        },
        {
          provide: Namespaces,
          inject: [KubernetesApi, LOG],
          useFactory: (api: KubernetesApi, log: LogSink) => new Namespaces(api, log),
        },
        {
          provide: EnvironmentOverrides,
          inject: [KubernetesApi, GatewayConfig, LOG],
          useFactory: (api: KubernetesApi, { environment }: GatewayConfig, log: LogSink) =>
            new EnvironmentOverrides(
              api,
              { namespace: environment.configmapNamespace, name: environment.configmapName },
              log,
            ),
        },
      ],
      exports: [
        KubernetesApi,
        RemediationRequestClient,
        TokenReviewClient,
        RemediationRequestIndex,
        Namespaces,
        EnvironmentOverrides,
      ],
    };
  }

  constructor(
    @Inject(KubernetesApi) private readonly api: KubernetesApi,
    @Inject(RemediationRequestIndex) private readonly index: RemediationRequestIndex,
    @Inject(Namespaces) private readonly namespaces: Namespaces,
    @Inject(EnvironmentOverrides) private readonly overrides: EnvironmentOverrides,
  ) {
    for (const { cache } of this.watches) cache.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.watches.map(({ cache }) => cache.stop()));
    await this.api.close();
  }

  private get watches(): readonly { readonly cache: { start(): void; stop(): Promise<void> } }[] {
    return [this.index, this.namespaces, this.overrides];
  }
}
