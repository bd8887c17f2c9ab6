import type { LogSink } from '../../logging/log-sink';
import type { GatewayMetrics } from '../../metrics/gateway-metrics';
import type { Priority } from '../../signal/priority';
import type { Signal } from '../../signal/signal';
import { policyInputOf, type PolicyInput } from './policy-input';
import { priorityByTable, type PriorityTable } from './priority-table';
import type { PolicyFailure, PolicyVerdict } from './rego-policy';

/** A failure of one kind is told once in so long. Milliseconds. */
const tellEveryMs = 60_000;

/** Whoever evaluates the policy: this process, or an OPA server. */
export interface Policy {
  evaluate(input: PolicyInput): PolicyVerdict | Promise<PolicyVerdict>;
}

export interface PriorityDecision {
  readonly priority: Priority;
  /** What decided it. */
  readonly prioritySource: 'rego_policy' | 'fallback_table';
}

/** Says how urgent a signal is: by the policy, and by the table what that does not decide. */
export class PriorityEvaluator {
  /** By kind of failure, by the monotonic clock. */
  private readonly toldAt = new Map<PolicyFailure, number>();

  constructor(
    private readonly table: PriorityTable,
    private readonly policy: Policy,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  /** At once, unless the policy is somewhere else. */
  evaluate(signal: Signal, environment: string, storm = false): PriorityDecision | Promise<PriorityDecision> {
    const verdict = this.policy.evaluate(policyInputOf(signal, environment, storm));
    return verdict instanceof Promise
      ? verdict.then((answer) => this.decide(answer, signal, environment))
      : this.decide(verdict, signal, environment);
  }

  private decide(verdict: PolicyVerdict, signal: Signal, environment: string): PriorityDecision {
    if ('priority' in verdict) {
      return { priority: verdict.priority, prioritySource: 'rego_policy' };
    }
    this.metrics.policyFailures.count({ reason: verdict.failure });
    this.tell(verdict);
    return { priority: priorityByTable(this.table, signal.severity, environment), prioritySource: 'fallback_table' };
  }

  /** Not for each signal: a policy may answer some of them and not others. */
  private tell({ failure, reason }: Exclude<PolicyVerdict, { readonly priority: Priority }>): void {
    const now = performance.now();
    if (now - (this.toldAt.get(failure) ?? Number.NEGATIVE_INFINITY) < tellEveryMs) return;
    this.toldAt.set(failure, now);
    this.log.warn({ reason, failure }, 'priority by the table: the policy did not decide');
  }
}
