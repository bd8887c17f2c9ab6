import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The opa binary: as scripts/lib/go-tools.mjs builds it, or on the PATH. */
export function opaBinary(): string {
  const module = readFileSync(join(__dirname, '../../tools/opa/go.mod'), 'utf8');
  const version = /open-policy-agent\/opa v([\d.]+)/.exec(module)?.[1] ?? '';
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const built = join(cache, 'kubernaut-gateway', `opa-${version}`, 'opa');
  return existsSync(built) ? built : 'opa';
}
