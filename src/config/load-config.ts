import { readFileSync } from 'node:fs';
import { validateSync, type ValidationError } from 'class-validator';
import { LineCounter, parseDocument } from 'yaml';
import { formatDuration } from './duration';
import { fromEnvironment, settingsByPath, type Environment } from './environment-variables';
import { GatewayConfig } from './gateway-config';
import { isDocsPath } from './paths';
import type { SourceSettings } from './source-settings';
import { sections, settings, snakeCase, Unreadable, type Setting } from './setting';

export interface LoadOptions {
  /** Path of the YAML file; without it GATEWAY_CONFIG_FILE, and without that none. */
  readonly file?: string;
  readonly env: Environment;
  /** What stands in for the defaults, in the form of the file: a mode of running has its own. */
  readonly defaults?: Tree;
}

/** The file's form: sections of settings, by their snake_case keys. */
export type Tree = Readonly<Record<string, unknown>>;

/** The configuration cannot be used; the message lists everything that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly mistakes: readonly string[]) {
    super(
      `the configuration has ${mistakes.length} mistake${mistakes.length === 1 ? '' : 's'}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    );
  }
}

/**
 * The configuration: defaults, then the file, then the environment.
 * @throws ConfigError with every mistake of both
 */
export function loadConfig({ file, env, defaults = {} }: LoadOptions): GatewayConfig {
  const mistakes: string[] = [];
  const config = new GatewayConfig();
  assign(config, defaults, '', mistakes);
  const path = file ?? env.GATEWAY_CONFIG_FILE;
  if (path) assign(config, expanded(readYaml(path, mistakes), '', env, mistakes) as Tree, '', mistakes);

  const variables = new Map<string, { name: string; text: string }>();
  for (const { variable, path: setting, text, value } of fromEnvironment(env, config)) {
    if (setting === undefined) {
      mistakes.push(`${variable}: there is no such setting`);
      continue;
    }
    variables.set(setting, { name: variable, text });
    assign(config, nested(setting.split('.'), value), '', mistakes);
  }
  mistakes.push(...invalid(config, variables));
  if (mistakes.length === 0) mistakes.push(...contradictions(config));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return config;
}

/** Puts what stands in `tree` into the typed sections. Values are judged later, all together. */
function assign(target: object, tree: Tree, path: string, mistakes: string[]): void {
  const byKey = new Map(settings(target).map((setting) => [snakeCase(setting.member), setting]));
  const sectionsByKey = new Map(sections(target).map(({ member }) => [snakeCase(member), member]));
  for (const [key, value] of Object.entries(tree)) {
    const where = path === '' ? key : `${path}.${key}`;
    const setting = byKey.get(key);
    const section = sectionsByKey.get(key);
    if (setting !== undefined) {
      if (value !== undefined)
        Object.assign(target, { [setting.member]: setting.read(value) ?? new Unreadable(value) });
    } else if (section === undefined) {
      mistakes.push(`${where}: there is no such setting${nearest(key, [...byKey.keys(), ...sectionsByKey.keys()])}`);
    } else if (value !== null && value !== undefined) {
      const inner = (target as Record<string, object>)[section];
      if (typeof value !== 'object' || Array.isArray(value))
        mistakes.push(
          `${where}: must be a section with settings, not a ${Array.isArray(value) ? 'list' : typeof value}`,
        );
      else if (inner !== undefined) assign(inner, value as Tree, where, mistakes);
    }
  }
}

/** What class-validator finds, in words: where it stands, what is valid, and what is there unless that is a secret. */
function invalid(
  config: GatewayConfig,
  variables: ReadonlyMap<string, { readonly name: string; readonly text: string }>,
): string[] {
  const known = settingsByPath(config);
  const told = (errors: readonly ValidationError[], prefix: string): string[] =>
    errors.flatMap(({ property, children = [], constraints = {}, value }) => {
      const path = prefix + snakeCase(property);
      const setting = known.get(path)?.setting;
      if (setting === undefined) return told(children, `${path}.`);
      const variable = variables.get(path);
      const given: unknown = variable?.text ?? (value instanceof Unreadable ? value.value : value);
      const found = setting.secret ? '' : `, not ${shown(given)}${unitHint(setting, given)}`;
      const where = variable === undefined ? path : `${variable.name} (${path})`;
      return Object.values(constraints).map((constraint) => `${where}: ${constraint}${found}`);
    });
  return told(validateSync(config), '');
}

/** `${NAME}` as a whole value is the variable of that name, so that a file need not hold a secret. */
function expanded(value: unknown, path: string, env: Environment, mistakes: string[]): unknown {
  if (Array.isArray(value)) return value.map((entry, i) => expanded(entry, `${path}[${i}]`, env, mistakes));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, entry]) => [
      key,
      expanded(entry, path === '' ? key : `${path}.${key}`, env, mistakes),
    ]);
    return Object.fromEntries(entries) as Tree;
  }
  const name = typeof value === 'string' ? /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(value)?.[1] : undefined;
  if (name === undefined) return value;
  if (env[name] === undefined) mistakes.push(`${path}: the environment variable ${name} is not set`);
  return env[name];
}

function readYaml(file: string, mistakes: string[]): Tree {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    mistakes.push(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    return {};
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  for (const { message, pos } of document.errors) {
    const { line, col } = lines.linePos(pos[0]);
    mistakes.push(`${file}:${line}:${col}: ${message}`);
  }
  if (document.errors.length > 0) return {};
  let tree: unknown;
  try {
    tree = document.toJS();
  } catch {
    // Not the parser's words: the name of an alias may be a password that begins with *.
    mistakes.push(`${file}: a value that begins with * or & must be in quotes`);
    return {};
  }
  if (tree === null || tree === undefined) return {};
  if (typeof tree === 'object' && !Array.isArray(tree)) return tree as Tree;
  mistakes.push(`${file}: must hold sections with settings`);
  return {};
}

/** What no single setting can know. */
function contradictions({ server, redis, adapters, health, metrics }: GatewayConfig): string[] {
  const found: string[] = [];
  if (metrics.enabled && metrics.listenAddr === server.listenAddr && !server.listenAddr.endsWith(':0'))
    found.push(`metrics.listen_addr: must be another than server.listen_addr (${server.listenAddr})`);
  if (redis.clusterNodes.length > 0 && redis.sentinels.length > 0)
    found.push('redis.cluster_nodes: must be empty when there are redis.sentinels');
  if (redis.clusterNodes.length > 0 && redis.db !== 0)
    found.push(`redis.db: must be 0 in a Redis Cluster, not ${redis.db}`);
  if ((redis.tls.certFile === '') !== (redis.tls.keyFile === ''))
    found.push('redis.tls: cert_file and key_file go together');
  if (!redis.tls.enabled && (redis.tls.caFile !== '' || redis.tls.certFile !== ''))
    found.push('redis.tls.enabled: must be true for the files beside it to be used');
  if (server.gracefulShutdownTimeout <= server.shutdownDelay) {
    found.push(
      `server.graceful_shutdown_timeout: must be longer than server.shutdown_delay (${formatDuration(server.shutdownDelay)}), not ${formatDuration(server.gracefulShutdownTimeout)}`,
    );
  }
  if (adapters.kubernetesEvent.watch && !adapters.kubernetesEvent.enabled)
    found.push('adapters.kubernetes_event.enabled: must be true for its watch to be used');
  for (const [name, { hmac }] of Object.entries<SourceSettings>(adapters)) {
    if (hmac === undefined) continue;
    const at = `adapters.${snakeCase(name)}.hmac`;
    const headers = [hmac.header, hmac.timestampHeader].map((header) => header.toLowerCase());
    if (headers.includes('authorization')) found.push(`${at}: Authorization is for tokens, choose another header`);
    if (headers[0] === headers[1]) found.push(`${at}.timestamp_header: must be another than header`);
  }
  const paths = new Map<string, string>();
  // They answer there as well, whatever their paths are.
  const probes = { '/healthz': 'health.path', '/readyz': 'health.readiness_path' };
  const aliases: Readonly<Record<string, string>> = health.enabled ? probes : {};
  const healthPaths: [string, string][] = [
    ['health.path', health.path],
    ['health.readiness_path', health.readinessPath],
  ];
  const uses: [string, string][] = [
    ...(health.enabled ? healthPaths : []),
    ...Object.entries<SourceSettings>(adapters)
      .filter(([, { enabled }]) => enabled)
      .map(([name, { path }]): [string, string] => [`adapters.${snakeCase(name)}.path`, path]),
  ];
  for (const [where, path] of uses) {
    const other = paths.get(path) ?? (isDocsPath(path) ? 'the API explorer' : aliases[path]);
    if (other !== undefined && other !== where) found.push(`${where}: ${path} is taken by ${other}`);
    paths.set(path, where);
  }
  return found;
}

function nested(keys: readonly string[], value: unknown): Tree {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function unitHint({ type }: Setting, value: unknown): string {
  return type === 'duration' && typeof value === 'number' ? ` (a unit is missing: write ${value}s or ${value}m)` : '';
}

function nearest(key: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: distanceOf(key, name) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= 3 ? `, did you mean ${best.name}?` : '';
}

/** Levenshtein's distance. */
function distanceOf(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
