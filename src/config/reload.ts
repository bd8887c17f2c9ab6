import { messageOf } from '../error-message';
import { versionOf } from '../file-version';
import { effectiveConfig } from './effective-config';
import { settingsByPath } from './environment-variables';
import type { GatewayConfig } from './gateway-config';

export interface ReloadOptions {
  readonly file: string;
  readonly load: () => GatewayConfig;
  /** Of the file that was loaded. */
  readonly version: string | undefined;
  /** What runs. It takes over what may change while it does. */
  readonly current: GatewayConfig;
  readonly tookOver: () => void;
  readonly tell: (event: ReloadEvent) => void;
  /** How often the file is looked at. Milliseconds. */
  readonly pollMs?: number;
}

export type ReloadEvent =
  | { readonly kind: 'reloaded'; readonly needRestart: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** A mounted ConfigMap changes by a swapped link, which no notification of the file's own folder tells. */
const defaultPollMs = 2_000;
/** Settings that take effect without a restart: every decision reads them anew. */
export const live: ReadonlySet<string> = new Set([
  'logging.level',
  'storm_detection.rate_threshold',
  'storm_detection.pattern_threshold',
  'storm_detection.similarity_threshold',
  'storm_detection.aggregation_window',
  'storm_detection.max_window',
  'storm_detection.flush_interval',
]);

/** Follows the configuration file. A file with a mistake changes nothing and is told. Answers how to stop. */
export function followConfigFile({
  file,
  load,
  version,
  current,
  tookOver,
  tell,
  pollMs = defaultPollMs,
}: ReloadOptions): () => void {
  const changed = () => {
    try {
      const config = load();
      const needRestart = differences(effectiveConfig(current), effectiveConfig(config)).filter(
        (path) => !live.has(path),
      );
      takeOver(current, config);
      tookOver();
      tell({ kind: 'reloaded', needRestart });
    } catch (error) {
      tell({ kind: 'refused', reason: messageOf(error) });
    }
  };
  let seen = version;
  const timer = setInterval(() => {
    const now = versionOf(file);
    // One that is gone for a moment is being replaced.
    if (now === undefined || now === seen) return;
    seen = now;
    changed();
  }, pollMs).unref();
  return () => clearInterval(timer);
}

function takeOver(running: GatewayConfig, changed: GatewayConfig): void {
  const [to, from] = [settingsByPath(running), settingsByPath(changed)];
  for (const path of live) {
    const [target, source] = [to.get(path), from.get(path)];
    if (target === undefined || source === undefined) throw new Error(`there is no setting ${path}`);
    const { member } = target.setting;
    Object.assign(target.owner, { [member]: (source.owner as Record<string, unknown>)[member] });
  }
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
