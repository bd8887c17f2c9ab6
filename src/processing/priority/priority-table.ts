import type { Priority } from '../../signal/priority';
import type { Severity } from '../../signal/severity';

/** Keys are `<severity>_<environment>`, `<severity>` and `default`, which is always there. */
export type PriorityTable = ReadonlyMap<string, Priority>;

/** The most specific entry that fits. */
export function priorityByTable(table: PriorityTable, severity: Severity, environment: string): Priority {
  const priority = table.get(`${severity}_${environment}`) ?? table.get(severity) ?? table.get('default');
  if (priority === undefined) throw new Error('the priority table has no "default"');
  return priority;
}
