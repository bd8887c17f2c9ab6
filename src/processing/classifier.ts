import type { Classification } from '../kubernetes/remediation-request.factory';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import type { Signal } from '../signal/signal';
import type { EnvironmentClassifier } from './environment/environment-classifier';
import type { PriorityEvaluator } from './priority/priority-evaluator';

/** So many signals are classified in one go, if that takes no longer. Milliseconds. */
const inOneGo = 16;
const inOneGoMs = 10;

/** Finds out the environment of a new signal, and by it the priority. */
export class Classifier {
  constructor(
    private readonly environment: EnvironmentClassifier,
    private readonly priority: PriorityEvaluator,
    private readonly metrics: GatewayMetrics,
  ) {}

  /**
   * When it is known of which environment namespaces are.
   * @throws DeadlineExceededError
   */
  ready(deadline: AbortSignal): Promise<void> {
    return this.environment.ready(deadline);
  }

  /**
   * Classifies signals whose turns come one after the other. Those whose turn comes soon are classified ahead of it, 16 in all, until one is
   * not decided at once or 10 ms have passed: in one go each costs less than between two calls of the API server.
   * @returns to be asked for each in their order, at once where that is possible. It never throws: what fails one signal does not fail
   *   those beside it
   */
  inTurn(signals: readonly Signal[]): (i: number) => Classification | Promise<Classification> | undefined {
    const classified: (Classification | Promise<Classification>)[] = [];
    return (i) => {
      if (i === classified.length) this.classifyAhead(signals, classified);
      return classified[i];
    };
  }

  /**
   * Classifies a storm by one of its signals.
   * @throws DeadlineExceededError
   */
  async classifyStorm(signal: Signal, deadline: AbortSignal): Promise<Classification> {
    await this.ready(deadline);
    return this.classify(signal, true);
  }

  /** At once, unless the policy is somewhere else. */
  private classify(signal: Signal, storm: boolean): Classification | Promise<Classification> {
    const end = this.metrics.stage('classify');
    const environment = this.environment.classify(signal);
    const decision = this.priority.evaluate(signal, environment.environment, storm);
    if (decision instanceof Promise)
      return decision.then((priority) => {
        end();
        return { ...environment, ...priority };
      });
    end();
    const { priority, prioritySource } = decision;
    return {
      environment: environment.environment,
      environmentSource: environment.environmentSource,
      priority,
      prioritySource,
    };
  }

  private classifyAhead(signals: readonly Signal[], classified: (Classification | Promise<Classification>)[]): void {
    const begin = performance.now();
    for (const signal of signals.slice(classified.length, classified.length + inOneGo)) {
      const classification = this.tryToClassify(signal);
      classified.push(classification);
      if (classification instanceof Promise) {
        // It is heard of when it is the turn of its signal, which may be later, or never.
        classification.catch(() => undefined);
        return;
      }
      if (performance.now() - begin > inOneGoMs) return;
    }
  }

  private tryToClassify(signal: Signal): Classification | Promise<Classification> {
    try {
      return this.classify(signal, false);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
