import { spawnSync } from 'node:child_process';

/** Runs the real promtool. Answers what it printed; throws that when it is not content. */
export function promtool(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}
