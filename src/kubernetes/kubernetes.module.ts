import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { needsOwners } from '../config/identity';
import { LOG, type LogSink } from '../logging/log-sink';
import { AccessReviewClient } from './access-review.client';
import { clusterNeedsOf, fallbackNamespaceOf, ownNamespaceOf, watchesEvents } from './cluster-needs';
import { EnvironmentOverrides } from './environment-overrides';
import { EventFeed } from './event-feed';
import { KubernetesApi } from './kubernetes-api';
import { Lease } from './lease';
import { Namespaces } from './namespaces';
import { Owners } from './owners';
import { eventWatchLease, neededPermissions } from './permissions';
import { RemediationRequestClient } from './remediation-request.client';
import { RemediationRequestIndex } from './remediation-request.index';
import { SelfCheck } from './self-check';
import { TokenReviewClient } from './token-review.client';

/** The namespace that takes requests whose own is not there. */
export const FALLBACK_NAMESPACE = Symbol('fallback namespace');

/** As the controllers of Kubernetes have it: who is gone without a word is succeeded within 15 seconds. */
const leaseTimes = { durationMs: 15_000, renewMs: 2_000 };

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
          inject: [GatewayConfig, LOG],
          useFactory: (
            { kubernetes: { kubeconfig, context, connections, callTimeout } }: GatewayConfig,
            log: LogSink,
          ) =>
            KubernetesApi.connect(
              { kubeconfig, context, connections, callTimeoutMs: callTimeout, ...(server ? { server } : {}) },
              log,
            ),
        },
        {
          provide: RemediationRequestClient,
          inject: [KubernetesApi, GatewayConfig],
          useFactory: (api: KubernetesApi, { kubernetes }: GatewayConfig) =>
            new RemediationRequestClient(api, kubernetes.maxWritesInFlight),
        },
        {
          provide: AccessReviewClient,
          inject: [KubernetesApi],
          useFactory: (api: KubernetesApi) => new AccessReviewClient(api),
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
          provide: FALLBACK_NAMESPACE,
          inject: [GatewayConfig, KubernetesApi],
          useFactory: ({ crd }: GatewayConfig, api: KubernetesApi) => fallbackNamespaceOf(crd, api),
        },
        {
          provide: SelfCheck,
          inject: [KubernetesApi, AccessReviewClient, RemediationRequestClient, GatewayConfig, FALLBACK_NAMESPACE, LOG],
          useFactory: (
            api: KubernetesApi,
            reviews: AccessReviewClient,
            client: RemediationRequestClient,
            config: GatewayConfig,
            namespace: string,
            log: LogSink,
          ) => {
            const permissions = neededPermissions(clusterNeedsOf(config, ownNamespaceOf(api)));
            const check = new SelfCheck(reviews, client, { permissions, namespace }, log);
            api.onRefusal = () => check.suspect();
            return check;
          },
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
        {
          provide: Owners,
          inject: [KubernetesApi, GatewayConfig, LOG],
          useFactory: (api: KubernetesApi, config: GatewayConfig, log: LogSink) =>
            needsOwners(config) ? new Owners(api, log) : undefined,
        },
        {
          provide: EventFeed,
          inject: [KubernetesApi, GatewayConfig, LOG],
          useFactory: (api: KubernetesApi, config: GatewayConfig, log: LogSink) =>
            watchesEvents(config) ? new EventFeed(api, log) : undefined,
        },
        {
          provide: Lease,
          inject: [KubernetesApi, GatewayConfig, LOG],
          useFactory: (api: KubernetesApi, config: GatewayConfig, log: LogSink) =>
            watchesEvents(config)
              ? new Lease(api, { namespace: ownNamespaceOf(api), name: eventWatchLease, ...leaseTimes }, log)
              : undefined,
        },
      ],
      exports: [
        KubernetesApi,
        RemediationRequestClient,
        TokenReviewClient,
        AccessReviewClient,
        RemediationRequestIndex,
        Namespaces,
        EnvironmentOverrides,
        SelfCheck,
        FALLBACK_NAMESPACE,
        Owners,
        EventFeed,
        Lease,
      ],
    };
  }

  constructor(
    @Inject(KubernetesApi) private readonly api: KubernetesApi,
    @Inject(RemediationRequestIndex) private readonly index: RemediationRequestIndex,
    @Inject(Namespaces) private readonly namespaces: Namespaces,
    @Inject(EnvironmentOverrides) private readonly overrides: EnvironmentOverrides,
    @Inject(SelfCheck) private readonly selfCheck: SelfCheck,
    @Inject(Owners) private readonly owners: Owners | undefined,
  ) {
    for (const { cache } of this.watches) cache.start();
    selfCheck.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.selfCheck.stop(), ...this.watches.map(({ cache }) => cache.stop())]);
    await this.api.close();
  }

  private get watches(): readonly { readonly cache: { start(): void; stop(): Promise<void> } }[] {
    const owners = Object.values(this.owners?.caches ?? {}).map((cache) => ({ cache }));
    return [this.index, this.namespaces, this.overrides, ...owners];
  }
}
