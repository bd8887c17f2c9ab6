import {
  Inject,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { Authorizer } from '../auth/authorizer';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { deadlineIn } from '../deadline';
import { EnvironmentOverrides } from '../kubernetes/environment-overrides';
import { FALLBACK_NAMESPACE } from '../kubernetes/kubernetes.module';
import { Namespaces } from '../kubernetes/namespaces';
import { Owners } from '../kubernetes/owners';
import { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import { RemediationRequestIndex } from '../kubernetes/remediation-request.index';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { NAMESPACE_LIMIT, RateLimitModule } from '../rate-limit/rate-limit.module';
import type { SharedLimit } from '../rate-limit/shared-limit';
import type { Priority } from '../signal/priority';
import type { OpenSignalState } from '../state/create-signal-state';
import { SIGNAL_STATE } from '../state/state.module';
import { CarriedSignals } from './carried-signals';
import { Classifier } from './classifier';
import { Deduplication } from './deduplication/deduplication';
import { EnvironmentClassifier } from './environment/environment-classifier';
import { OwnerIdentity } from './identity/owner-identity';
import { PriorityEvaluator } from './priority/priority-evaluator';
import { OpaServer } from './priority/opa-server';
import { policyOptionsOf, PriorityPolicy } from './priority/priority-policy';
import { Recurrences } from './recurrence/recurrences';
import { RequestOpener } from './request-opener';
import { RequestStatus } from './request-status/request-status';
import { cooldownOf, groupingOf, ownerRulesOf, rulesOf } from './rules';
import { SignalJournal } from './signal-journal';
import { SignalProcessor } from './signal-processor';
import { StatusWriter } from './status-writer';
import { StormCommits } from './storm/storm-commits';
import { StormLookup } from './storm/storm-lookup';
import { Storms } from './storm/storms';

/** Who evaluates the policy: this process, or an OPA server. */
const PRIORITY_POLICY = Symbol('Policy');

/** What a shutdown may take for counts that are not written yet. */
const flushMs = 2_000;

@Module({
  imports: [AuthModule, RateLimitModule],
  providers: [
    {
      provide: Deduplication,
      inject: [SIGNAL_STATE, RemediationRequestIndex, RemediationRequestClient, CLOCK, GatewayConfig, StormLookup],
      useFactory: (
        { state }: OpenSignalState,
        index: RemediationRequestIndex,
        client: RemediationRequestClient,
        clock: Clock,
        { deduplication }: GatewayConfig,
        storms: StormLookup,
      ) => new Deduplication(state, index, client, clock, cooldownOf(deduplication), storms),
    },
    {
      provide: StormLookup,
      inject: [RemediationRequestIndex, CLOCK, GatewayConfig],
      useFactory: (
        index: RemediationRequestIndex,
        clock: Clock,
        { deduplication, fingerprint, stormDetection }: GatewayConfig,
      ) => new StormLookup(index, clock, cooldownOf(deduplication), groupingOf(stormDetection, fingerprint.cluster)),
    },
    {
      provide: EnvironmentClassifier,
      inject: [GatewayConfig, Namespaces, EnvironmentOverrides],
      useFactory: ({ environment }: GatewayConfig, namespaces: Namespaces, overrides: EnvironmentOverrides) =>
        new EnvironmentClassifier(environment, namespaces, overrides),
    },
    {
      provide: PRIORITY_POLICY,
      inject: [GatewayConfig, LOG],
      useFactory: ({ priority }: GatewayConfig, log: LogSink) =>
        priority.opaUrl === '' ? PriorityPolicy.load(policyOptionsOf(priority), log) : new OpaServer(priority.opaUrl),
    },
    {
      provide: PriorityEvaluator,
      inject: [GatewayConfig, PRIORITY_POLICY, GatewayMetrics, LOG],
      useFactory: (
        { priority }: GatewayConfig,
        policy: PriorityPolicy | OpaServer,
        metrics: GatewayMetrics,
        log: LogSink,
      ) =>
        new PriorityEvaluator(
          new Map(Object.entries(priority.fallbackTable) as [string, Priority][]),
          policy,
          metrics,
          log,
        ),
    },
    {
      provide: RequestOpener,
      inject: [
        RemediationRequestClient,
        RemediationRequestIndex,
        CLOCK,
        GatewayConfig,
        FALLBACK_NAMESPACE,
        NAMESPACE_LIMIT,
      ],
      useFactory: (
        client: RemediationRequestClient,
        index: RemediationRequestIndex,
        clock: Clock,
        { deduplication }: GatewayConfig,
        fallbackNamespace: string,
        limit: SharedLimit | undefined,
      ) => new RequestOpener(client, index, clock, cooldownOf(deduplication), fallbackNamespace, limit),
    },
    {
      provide: StatusWriter,
      inject: [RemediationRequestClient, RemediationRequestIndex, CLOCK],
      useFactory: (client: RemediationRequestClient, index: RemediationRequestIndex, clock: Clock) =>
        new StatusWriter(client, index, clock),
    },
    {
      provide: StormCommits,
      inject: [SIGNAL_STATE, StatusWriter, CLOCK, GatewayConfig],
      useFactory: (
        { members }: OpenSignalState,
        writer: StatusWriter,
        clock: Clock,
        { stormDetection }: GatewayConfig,
      ) => new StormCommits(members, writer, clock, () => stormDetection.flushInterval),
    },
    {
      provide: Storms,
      inject: [
        SIGNAL_STATE,
        StormCommits,
        StormLookup,
        RemediationRequestIndex,
        RequestOpener,
        CLOCK,
        GatewayConfig,
        GatewayMetrics,
        LOG,
      ],
      useFactory: (
        { storms }: OpenSignalState,
        commits: StormCommits,
        lookup: StormLookup,
        index: RemediationRequestIndex,
        opener: RequestOpener,
        clock: Clock,
        { stormDetection }: GatewayConfig,
        metrics: GatewayMetrics,
        log: LogSink,
      ) => new Storms(storms, commits, lookup, index, opener, clock, () => rulesOf(stormDetection), metrics, log),
    },
    {
      provide: RequestStatus,
      inject: [StatusWriter, LOG],
      useFactory: (writer: StatusWriter, log: LogSink) => new RequestStatus(writer, log),
    },
    {
      provide: Recurrences,
      inject: [
        RemediationRequestIndex,
        RemediationRequestClient,
        StatusWriter,
        RequestStatus,
        SignalProcessor,
        Storms,
        CLOCK,
        GatewayConfig,
        FALLBACK_NAMESPACE,
        LOG,
      ],
      useFactory: (
        index: RemediationRequestIndex,
        client: RemediationRequestClient,
        writer: StatusWriter,
        status: RequestStatus,
        processor: SignalProcessor,
        storms: Storms,
        clock: Clock,
        { deduplication }: GatewayConfig,
        fallback: string,
        log: LogSink,
      ) =>
        new Recurrences(
          index,
          client,
          writer,
          status,
          processor,
          storms,
          clock,
          cooldownOf(deduplication),
          [fallback],
          log,
        ),
    },
    {
      provide: SignalJournal,
      inject: [GatewayMetrics, EnvironmentClassifier, CLOCK, LOG],
      useFactory: (metrics: GatewayMetrics, environment: EnvironmentClassifier, clock: Clock, log: LogSink) =>
        new SignalJournal(metrics, environment, clock, log),
    },
    {
      provide: SignalProcessor,
      inject: [
        Authorizer,
        Deduplication,
        EnvironmentClassifier,
        PriorityEvaluator,
        RequestOpener,
        Storms,
        RequestStatus,
        SignalJournal,
        GatewayMetrics,
        GatewayConfig,
        Owners,
      ],
      useFactory: (
        authorizer: Authorizer,
        deduplication: Deduplication,
        environment: EnvironmentClassifier,
        priority: PriorityEvaluator,
        requests: RequestOpener,
        storms: Storms,
        status: RequestStatus,
        journal: SignalJournal,
        metrics: GatewayMetrics,
        config: GatewayConfig,
        owners: Owners | undefined,
      ) =>
        new SignalProcessor(
          authorizer,
          deduplication,
          new Classifier(environment, priority, metrics),
          requests,
          storms,
          new CarriedSignals(deduplication, storms, status),
          journal,
          metrics,
          new Set(config.signals.heartbeatAlerts),
          owners && new OwnerIdentity(owners, ownerRulesOf(config), metrics),
        ),
    },
  ],
  exports: [SignalProcessor, Deduplication, RequestStatus, Recurrences, StormCommits],
})
export class ProcessingModule implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    @Inject(Recurrences) private readonly recurrences: Recurrences,
    @Inject(RequestStatus) private readonly status: RequestStatus,
    @Inject(PRIORITY_POLICY) private readonly policy: PriorityPolicy | OpaServer,
  ) {}

  onApplicationBootstrap(): void {
    this.recurrences.start();
    if (this.policy instanceof PriorityPolicy) this.policy.follow();
  }

  beforeApplicationShutdown(): void {
    this.recurrences.stop();
  }

  /** After the last webhook was answered, and before the connections to the API server are closed: global modules end last. */
  async onApplicationShutdown(): Promise<void> {
    await this.policy.stop();
    await this.status.flush(deadlineIn(flushMs).signal);
  }
}
