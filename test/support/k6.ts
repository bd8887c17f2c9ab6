import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cachedTool } from './cached-tool';
import { RunningProcess } from './process';

export interface K6Run {
  readonly code: number | NodeJS.Signals;
  readonly output: string;
  /** By its name: what was counted of it, or how often it passed and failed. */
  readonly metrics: Readonly<
    Record<string, { readonly count?: number; readonly passes?: number; readonly fails?: number }>
  >;
}

/** Runs the real k6, which tells nobody of it. */
export async function k6(args: readonly string[]): Promise<K6Run> {
  const directory = mkdtempSync(join(tmpdir(), 'k6-'));
  const summary = join(directory, 'summary.json');
  try {
    const run = await RunningProcess.start(
      cachedTool('k6', 'go.k6.io/k6'),
      ['run', ...args, '--summary-export', summary],
      { env: { K6_NO_USAGE_REPORT: 'true', HOME: directory } },
    );
    const code = await run.ended;
    const { metrics } = JSON.parse(readFileSync(summary, 'utf8')) as Pick<K6Run, 'metrics'>;
    return { code, output: run.output, metrics };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
