import type { Clock } from '../clock';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { InvalidSignal, isSignal, type SignalReading, type Signal } from '../signal/signal';
import { keyOf } from '../request-ref';
import type { EnvironmentClassifier } from './environment/environment-classifier';
import { isFiring } from './incident';
import type { SignalOutcome } from './signal-outcome';

/** Of one webhook, so many refusals and failures of one reason have a line each; the others are counted in one. */
const maxLinesOfReason = 50;
/** Of one webhook, so many causes of failures are told. */
const maxCauses = 10;

/** Tells what was decided about each signal, in the log and in the metrics. The one place where outcomes are counted. */
export class SignalJournal {
  constructor(
    private readonly metrics: GatewayMetrics,
    private readonly environment: EnvironmentClassifier,
    private readonly clock: Clock,
    private readonly log: LogSink,
  ) {}

  /** A page for the signals that came together. */
  open(): JournalPage {
    return new JournalPage(this.metrics, this.environment, this.clock, this.log);
  }

  /** Of a signal that was received before, and answered: it is not counted as received again. */
  recordReopened(signal: Signal, outcome: SignalOutcome): void {
    if (outcome.status === 'duplicate') return;
    const page = this.open();
    page.recordOutcome(signal, outcome);
    page.close();
  }
}

/** What is told of signals that came together. An outage or a broken sender does not fill the log with each of thousands. */
export class JournalPage {
  /** Of refusals and failures, of which there are none as a rule. */
  private lines: Map<string, number> | undefined;
  private causes: Map<string, { readonly reason: string; signals: number }> | undefined;

  constructor(
    private readonly metrics: GatewayMetrics,
    private readonly environment: EnvironmentClassifier,
    private readonly clock: Clock,
    private readonly log: LogSink,
  ) {}

  record(signal: SignalReading, outcome: SignalOutcome): void {
    if (isSignal(signal)) {
      this.received(signal, outcome);
      if (outcome.status === 'created' || outcome.status === 'storm_aggregated')
        this.metrics.alertToRequest.observe(this.secondsSinceStart(signal));
    }
    this.recordOutcome(signal, outcome);
  }

  recordOutcome(signal: SignalReading, outcome: SignalOutcome): void {
    this.count(signal, outcome);
    this.write(signal, outcome);
  }

  /** Tells what was only counted so far. */
  close(): void {
    for (const [cause, fields] of this.causes ?? []) this.log.error(fields, cause);
    for (const [reason, signals] of this.lines ?? []) {
      const more = signals - maxLinesOfReason;
      if (more > 0) this.log.error({ reason, signals: more }, 'more signals were not taken');
    }
  }

  private count(signal: SignalReading, outcome: SignalOutcome): void {
    const { source } = signal;
    switch (outcome.status) {
      case 'created': {
        const environment = this.metrics.environmentLabel(outcome.environment);
        this.metrics.requestsCreated.count({ environment, priority: outcome.priority });
        this.metrics.environmentSource.count({ source: outcome.environmentSource });
        this.metrics.prioritySource.count({ source: outcome.prioritySource });
        break;
      }
      case 'duplicate':
        this.metrics.signalsDeduplicated.count({ source });
        break;
      case 'storm_aggregated':
        this.metrics.stormMembers.count({ type: outcome.storm.type });
        break;
      case 'resolved':
        break;
      case 'heartbeat':
        this.metrics.heartbeat.setToCurrentTime({ source });
        break;
      case 'ignored':
        this.metrics.signalsIgnored.count({ source, reason: outcome.reason });
        break;
      case 'rejected':
        this.metrics.signalsRejected.count({ source, reason: outcome.reason });
        if (outcome.reason !== 'invalid' && outcome.reason !== 'forbidden')
          this.failed(signal, outcome.reason, outcome.cause ?? outcome.summary);
        break;
      case 'failed':
        this.metrics.signalsFailed.count({ source, reason: outcome.reason });
        this.failed(signal, outcome.reason, outcome.cause);
        break;
    }
  }

  /** Never negative: the sender's clock may be ahead of ours. */
  private secondsSinceStart({ startsAt }: Signal): number {
    return Math.max(0, this.clock.now() - startsAt) / 1000;
  }

  private received(signal: Signal, outcome: SignalOutcome): void {
    // Who may not send it may not name an environment either: there are few names, and each stays.
    const isForbidden = outcome.status === 'rejected' && outcome.reason === 'forbidden';
    const named = isForbidden ? undefined : this.environment.classify(signal).environment;
    const environment = this.metrics.environmentLabel(named);
    this.metrics.signalsReceived.count({ source: signal.source, severity: signal.severity, environment });
  }

  /** Nothing is created for what resolved, and what a limit of ours holds back no call was made for. */
  private failed(signal: SignalReading, reason: string, cause: string): void {
    const isCreate = isSignal(signal) && isFiring(signal) && reason !== 'namespace_over_limit';
    if (isCreate) this.metrics.requestErrors.count({ reason });
    const text = `${isCreate ? 'failed to create RemediationRequest' : 'a signal was not taken'}: ${cause}`;
    this.causes ??= new Map();
    const known = this.causes.get(text);
    if (known !== undefined) known.signals++;
    else if (this.causes.size < maxCauses) this.causes.set(text, { reason, signals: 1 });
  }

  private write(signal: SignalReading, outcome: SignalOutcome): void {
    if ((outcome.status === 'rejected' || outcome.status === 'failed') && !this.hasRoom(outcome.reason)) return;
    const fields = {
      outcome: outcome.status,
      reason: outcome.reason,
      problems: signal instanceof InvalidSignal ? signal.problems : undefined,
      signal: signal instanceof InvalidSignal ? undefined : signal.name,
      fingerprint: isSignal(signal) ? signal.fingerprint : undefined,
      remediation_request: 'request' in outcome ? keyOf(outcome.request) : undefined,
      environment: 'environment' in outcome ? outcome.environment : undefined,
      priority: 'environment' in outcome ? outcome.priority : undefined,
    };
    if (outcome.status === 'rejected') this.log.error(fields, 'signal processed');
    // Most of what a cluster reports is normal.
    else if (outcome.status === 'ignored') this.log.debug(fields, 'signal processed');
    else this.log.info(fields, 'signal processed');
  }

  private hasRoom(reason: string): boolean {
    this.lines ??= new Map();
    const lines = (this.lines.get(reason) ?? 0) + 1;
    this.lines.set(reason, lines);
    return lines <= maxLinesOfReason;
  }
}
