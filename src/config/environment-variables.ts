import { parse } from 'yaml';
import type { GatewayConfig } from './gateway-config';
import { sections, settings, snakeCase, type Setting } from './setting';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables with a name of their own, as the original document has them. */
export const namedVariables: Readonly<Record<string, string>> = {
  GATEWAY_LISTEN_ADDR: 'server.listen_addr',
  REDIS_ADDR: 'redis.addr',
  REDIS_PASSWORD: 'redis.password',
  REDIS_DB: 'redis.db',
  RATE_LIMIT_RPM: 'rate_limit.requests_per_minute',
  DEDUPLICATION_TTL: 'deduplication.ttl',
  STORM_RATE_THRESHOLD: 'storm_detection.rate_threshold',
  STORM_PATTERN_THRESHOLD: 'storm_detection.pattern_threshold',
  ENVIRONMENT_CACHE_TTL: 'environment.cache_ttl',
  LOG_LEVEL: 'logging.level',
  LOG_FORMAT: 'logging.format',
  METRICS_ENABLED: 'metrics.enabled',
};

const systematic = /^GATEWAY_[A-Z_]+?__/;

export interface Override {
  readonly variable: string;
  /** Path of the setting; absent when the variable looks like one of ours and is none. */
  readonly path?: string;
  readonly text: string;
  readonly value: unknown;
}

/** `server.listen_addr` is set by `GATEWAY_SERVER__LISTEN_ADDR`. */
export function variableOf(path: string): string {
  return `GATEWAY_${path.split('.').join('__').toUpperCase()}`;
}

/** Every setting by its path in the file. */
export function settingsByPath(
  config: GatewayConfig,
): ReadonlyMap<string, { readonly setting: Setting; readonly owner: object }> {
  const found = new Map<string, { setting: Setting; owner: object }>();
  const walk = (owner: object, path: readonly string[]) => {
    for (const setting of settings(owner))
      found.set([...path, snakeCase(setting.member)].join('.'), { setting, owner });
    for (const { member } of sections(owner)) {
      walk((owner as Record<string, object>)[member] ?? {}, [...path, snakeCase(member)]);
    }
  };
  walk(config, []);
  return found;
}

/** What the environment sets. The systematic name of a setting wins over the named one. */
export function fromEnvironment(env: Environment, config: GatewayConfig): Override[] {
  const known = settingsByPath(config);
  const paths = new Map([...known.keys()].map((path) => [variableOf(path), path]));
  const overrides: Override[] = [];
  const add = (variable: string, path: string, text: string) => {
    overrides.push({ variable, path, text, value: valueOf(text, known.get(path)?.setting) });
  };
  for (const [variable, path] of Object.entries(namedVariables)) {
    const text = env[variable];
    if (text !== undefined) add(variable, path, text);
  }
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || !systematic.test(variable)) continue;
    const path = paths.get(variable);
    if (path === undefined) overrides.push({ variable, text, value: text });
    else add(variable, path, text);
  }
  return overrides;
}

/** Lists and maps are written as YAML on one line; everything else is read from its text. */
function valueOf(text: string, setting: Setting | undefined): unknown {
  if (setting?.type !== 'list' && setting?.type !== 'map') return text;
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}
