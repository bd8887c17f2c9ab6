import { spawnSync } from 'node:child_process';

/** Runs the real amtool. Answers what it printed; throws that when it is not content. */
export function amtool(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('amtool', args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`amtool ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}
