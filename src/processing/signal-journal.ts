import type { Clock } from '../clock';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { InvalidSignal, type Signal } from '../signal/signal';
import type { EnvironmentClassifier } from './environment/environment-classifier';
import type { SignalOutcome } from './signal-outcome';

/** Tells what was decided about each signal, in the log and in the metrics. The one place where outcomes are counted. */
export class SignalJournal {
  constructor(
    private readonly metrics: GatewayMetrics,
    private readonly environment: EnvironmentClassifier,
    private readonly clock: Clock,
    private readonly log: LogSink,
  ) {}

  record(signal: Signal | InvalidSignal, outcome: SignalOutcome): void {
    if (!(signal instanceof InvalidSignal)) this.received(signal);
    this.count(signal, outcome);
    this.write(signal, outcome);
  }

  /** Of a signal that was received before, and answered: it is not counted as received again. */
  recordReopened(signal: Signal, outcome: SignalOutcome): void {
    if (outcome.status === 'duplicate') return;
    this.count(signal, outcome);
    this.write(signal, outcome);
  }

  private count(signal: Signal | InvalidSignal, outcome: SignalOutcome): void {
    const { source } = signal;

    switch (outcome.status) {
      case 'created': {
        const environment = this.metrics.environmentLabel(outcome.environment);
        this.metrics.requestsCreated.inc({ environment, priority: outcome.priority });
        this.metrics.environmentSource.inc({ source: outcome.environmentSource });
        this.metrics.prioritySource.inc({ source: outcome.prioritySource });
        if (!(signal instanceof InvalidSignal)) this.metrics.alertToRequest.observe(this.secondsSinceStart(signal));
        break;
      }
      case 'duplicate':
        this.metrics.signalsDeduplicated.inc({ source });
        break;
      case 'resolved':
        break;
      case 'heartbeat':
        this.metrics.heartbeat.setToCurrentTime({ source });
        break;
      case 'rejected':
        this.metrics.signalsRejected.inc({ source, reason: outcome.reason });
        if (outcome.reason !== 'invalid' && outcome.reason !== 'forbidden')
          this.createFailed(outcome.reason, outcome.summary);
        break;
      case 'failed':
        this.metrics.signalsFailed.inc({ source, reason: outcome.reason });
        this.createFailed(outcome.reason, outcome.cause);
        break;
    }
  }

  /** Never negative: the sender's clock may be ahead of ours. */
  private secondsSinceStart({ startsAt }: Signal): number {
    return Math.max(0, this.clock.now() - startsAt) / 1000;
  }

  private received(signal: Signal): void {
    const environment = this.metrics.environmentLabel(this.environment.classify(signal).environment);
    this.metrics.signalsReceived.inc({ source: signal.source, severity: signal.severity, environment });
  }

  private createFailed(reason: string, cause: string): void {
    this.metrics.requestErrors.inc({ reason });
    this.log.error({ reason }, `failed to create RemediationRequest: ${cause}`);
  }

  private write(signal: Signal | InvalidSignal, outcome: SignalOutcome): void {
    const fields = {
      outcome: outcome.status,
      reason: outcome.reason,
      ...(signal instanceof InvalidSignal
        ? { problems: signal.problems }
        : { signal: signal.name, fingerprint: signal.fingerprint }),
      ...('request' in outcome ? { remediation_request: `${outcome.request.namespace}/${outcome.request.name}` } : {}),
      ...('environment' in outcome ? { environment: outcome.environment, priority: outcome.priority } : {}),
    };
    if (outcome.status === 'rejected') this.log.error(fields, 'signal processed');
    else this.log.info(fields, 'signal processed');
  }
}
