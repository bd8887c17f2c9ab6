import { unwatchFile, watchFile } from 'node:fs';
import { effectiveConfig } from './effective-config';
import type { GatewayConfig } from './gateway-config';

export interface ReloadOptions {
  readonly file: string;
  readonly load: () => GatewayConfig;
  readonly current: GatewayConfig;
  /** Takes over what can change while it runs. */
  readonly apply: (config: GatewayConfig) => void;
  readonly tell: (event: ReloadEvent) => void;
}

export type ReloadEvent =
  | { readonly kind: 'reloaded'; readonly needRestart: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** How often the file is looked at: by its content's time, since a mounted ConfigMap changes by a swapped link. Milliseconds. */
const pollMs = 2_000;
/** Settings that take effect without a restart. */
const live: ReadonlySet<string> = new Set(['logging.level']);

/** Follows the configuration file. A file with a mistake changes nothing and is told. Answers how to stop. */
export function followConfigFile({ file, load, current, apply, tell }: ReloadOptions): () => void {
  let known = current;
  const changed = () => {
    try {
      const config = load();
      const needRestart = differences(effectiveConfig(known), effectiveConfig(config)).filter(
        (path) => !live.has(path),
      );
      known = config;
      apply(config);
      tell({ kind: 'reloaded', needRestart });
    } catch (error) {
      tell({ kind: 'refused', reason: error instanceof Error ? error.message : String(error) });
    }
  };
  watchFile(file, { interval: pollMs, persistent: false }, (now, before) => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) changed();
  });
  return () => unwatchFile(file);
}

/** The paths at which two trees differ. */
function differences(a: unknown, b: unknown, path = ''): string[] {
  if (isSection(a) && isSection(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differences(a[key], b[key], path === '' ? key : `${path}.${key}`),
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
