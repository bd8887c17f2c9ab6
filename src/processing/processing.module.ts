import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock';
import { GatewayConfig } from '../config/gateway-config';
import { EnvironmentOverrides } from '../kubernetes/environment-overrides';
import { KubernetesApi } from '../kubernetes/kubernetes-api';
import { Namespaces } from '../kubernetes/namespaces';
import { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import { RemediationRequestIndex } from '../kubernetes/remediation-request.index';
import { LOG, type LogSink } from '../logging/log-sink';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import type { OpenSignalState } from '../state/create-signal-state';
import { SIGNAL_STATE } from '../state/state.module';
import { Deduplication } from './deduplication/deduplication';
import { EnvironmentClassifier } from './environment/environment-classifier';
import { PriorityEvaluator, type Priority } from './priority/priority-evaluator';
import { RequestOpener } from './request-opener';
import { SignalJournal } from './signal-journal';
import { SignalProcessor } from './signal-processor';

/** The namespace that the gateway is installed in, unless it can tell better. */
const installedNamespace = 'kubernaut-system';

/** Milliseconds for which a request that is over still carries its incident. */
function cooldownOf({ cooldown, ttl }: GatewayConfig['deduplication']): number {
  return cooldown ?? ttl;
}

@Module({
  providers: [
    {
      provide: Deduplication,
      inject: [SIGNAL_STATE, RemediationRequestIndex, RemediationRequestClient, CLOCK, GatewayConfig],
      useFactory: (
        { state }: OpenSignalState,
        index: RemediationRequestIndex,
        client: RemediationRequestClient,
        clock: Clock,
        { deduplication }: GatewayConfig,
      ) => new Deduplication(state, index, client, clock, cooldownOf(deduplication)),
    },
    {
      provide: EnvironmentClassifier,
      inject: [GatewayConfig, Namespaces, EnvironmentOverrides],
      useFactory: ({ environment }: GatewayConfig, namespaces: Namespaces, overrides: EnvironmentOverrides) =>
        new EnvironmentClassifier(environment, namespaces, overrides),
    },
    {
      provide: PriorityEvaluator,
      inject: [GatewayConfig],
      useFactory: ({ priority }: GatewayConfig) =>
        new PriorityEvaluator(new Map(Object.entries(priority.fallbackTable) as [string, Priority][])),
    },
    {
      provide: RequestOpener,
      inject: [RemediationRequestClient, CLOCK, GatewayConfig, KubernetesApi],
      useFactory: (
        client: RemediationRequestClient,
        clock: Clock,
        { deduplication, crd }: GatewayConfig,
        api: KubernetesApi,
      ) =>
        new RequestOpener(
          client,
          clock,
          cooldownOf(deduplication),
          crd.fallbackNamespace || api.ownNamespace || installedNamespace,
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
        Deduplication,
        EnvironmentClassifier,
        PriorityEvaluator,
        RequestOpener,
        SignalJournal,
        GatewayMetrics,
        GatewayConfig,
      ],
      useFactory: (
        deduplication: Deduplication,
        environment: EnvironmentClassifier,
        priority: PriorityEvaluator,
        requests: RequestOpener,
        journal: SignalJournal,
        metrics: GatewayMetrics,
        { signals }: GatewayConfig,
      ) =>
        new SignalProcessor(
          deduplication,
          environment,
          priority,
          requests,
          journal,
          metrics,
          new Set(signals.heartbeatAlerts),
        ),
    },
  ],
  exports: [SignalProcessor, Deduplication],
})
export class ProcessingModule {}
