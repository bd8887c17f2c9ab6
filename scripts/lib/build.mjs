import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run, timed } from './command.mjs';

const inputs = [
  'src',
  'tsconfig.json',
  'tsconfig.build.json',
  'nest-cli.json',
  // Whose packages are in the bundle, and whose Node.js compiles it.
  'package-lock.json',
  'scripts/bundle.mjs',
  'scripts/code-cache.mjs',
];
/** What is written last. */
const output = 'dist/bundle.cache';

/** Builds unless dist is newer than all it is built from. A failed build leaves none that is whole. */
export function prepareBuild() {
  if (existsSync(output) && Math.max(...inputs.map(lastChange)) < statSync(output).mtimeMs) return;
  timed('building (npm run build)', () => run('npm', ['run', '--silent', 'build']));
}

/** A folder counts too: its time tells of files that were removed. */
function lastChange(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => lastChange(join(path, name))));
}
