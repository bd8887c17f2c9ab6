import type { Signal } from '../../signal/signal';

export type Priority = 'P0' | 'P1' | 'P2' | 'P3' | 'P4';

export interface PriorityDecision {
  readonly priority: Priority;
  /** What decided it. */
  readonly prioritySource: 'fallback_table';
}

/** Keys are `<severity>_<environment>`, `<severity>` and `default`, which is always there. */
export type PriorityTable = ReadonlyMap<string, Priority>;

/** Says how urgent a signal is: the most specific entry of the table that fits. */
export class PriorityEvaluator {
  constructor(private readonly table: PriorityTable) {}

  evaluate(signal: Signal, environment: string): PriorityDecision {
    const { severity } = signal;
    const priority =
      this.table.get(`${severity}_${environment}`) ?? this.table.get(severity) ?? this.table.get('default');
    if (priority === undefined) throw new Error('the priority table has no "default"');
    return { priority, prioritySource: 'fallback_table' };
  }
}
