import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A program that scripts/lib/go-tools.mjs builds from the Go module in `tools/`, or the one on the PATH. */
export function cachedTool(program: string, modulePath: string): string {
  const module = readFileSync(join(__dirname, '../../tools', program, 'go.mod'), 'utf8');
  const version = module.split(`${modulePath} v`)[1]?.split(/\s/)[0] ?? '';
  const built = join(cacheFolder(`${program}-${version}`), program);
  return existsSync(built) ? built : program;
}

/** Where scripts keep what they have built or fetched. */
export function cacheFolder(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kubernaut-gateway', name);
}
