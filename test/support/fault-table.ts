import { writeFileSync } from 'node:fs';

/** What became of the alerts that fired while a fault was played. Times in milliseconds. */
export interface FaultRow {
  readonly fault: string;
  readonly alerts: number;
  /** Without a request. */
  readonly lost: number;
  /** With more than one. */
  readonly doubled: number;
  readonly worstAnswerMs: number;
  /** From the end of the fault until every gateway uses Redis again; `undefined` when none ever stopped. */
  readonly recoveryMs: number | undefined;
  /** Answers that were sent again. */
  readonly retries: number;
}

const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(2)} s`;

/** The rows as a table of Markdown. */
export function faultTable(rows: readonly FaultRow[]): string {
  const header = ['fault', 'alerts', 'lost', 'doubled', 'posts sent again', 'worst answer', 'recovery'];
  const lines = rows.map((row) => [
    row.fault,
    row.alerts,
    row.lost,
    row.doubled,
    row.retries,
    seconds(row.worstAnswerMs),
    row.recoveryMs === undefined ? 'never away' : seconds(row.recoveryMs),
  ]);
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/** Prints the table, and writes it to the file that `CHAOS_TABLE` names. */
export function showFaultTable(rows: readonly FaultRow[]): void {
  const table = faultTable(rows);
  process.stderr.write(`\n${table}\n`);
  if (process.env.CHAOS_TABLE) writeFileSync(process.env.CHAOS_TABLE, table);
}
