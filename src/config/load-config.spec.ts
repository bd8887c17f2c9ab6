import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { configurationJsonSchema, exampleFile } from './configuration-reference';
import { effectiveConfig, reservedKeysInUse } from './effective-config';
import { namedVariables, settingsByPath, variableOf } from './environment-variables';
import { GatewayConfig } from './gateway-config';
import { ConfigError, loadConfig, type LoadOptions } from './load-config';

describe('loading the configuration', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-config-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const fileWith = (text: string) => {
    const file = join(directory, 'gateway.yaml');
    writeFileSync(file, text);
    return file;
  };
  const load = (text: string, env: LoadOptions['env'] = {}) => loadConfig({ file: fileWith(text), env });
  const mistakesOf = (work: () => unknown): readonly string[] => {
    try {
      work();
    } catch (error) {
      if (error instanceof ConfigError) return error.mistakes;
      throw error;
    }
    return [];
  };

  it('needs nothing: the defaults are valid', () => {
    expect(effectiveConfig(loadConfig({ env: {} }))).toEqual(effectiveConfig(new GatewayConfig()));
  });

  it('takes the file over the defaults, and the environment over the file', () => {
    const config = load('deduplication: { ttl: 1m30s }\nredis: { db: 2 }\n', { REDIS_DB: '3' });
    expect(config.deduplication.ttl).toBe(90_000);
    expect(config.redis.db).toBe(3);
    expect(config.server.listenAddr).toBe(':8080');
  });

  it("lets a mode's defaults stand behind the file", () => {
    const file = fileWith('redis: { addr: "other:6379" }\n');
    const defaults = { redis: { addr: '', db: 7 } };
    expect(loadConfig({ file, env: {}, defaults }).redis).toMatchObject({ addr: 'other:6379', db: 7 });
  });

  it('finds the file by GATEWAY_CONFIG_FILE', () => {
    expect(loadConfig({ env: { GATEWAY_CONFIG_FILE: fileWith('redis: { db: 4 }\n') } }).redis.db).toBe(4);
  });

  it.each(Object.entries(namedVariables))('sets by %s what %s sets', (variable, path) => {
    const standard = settingsByPath(new GatewayConfig()).get(path)!;
    const value = standard.setting.show((standard.owner as Record<string, unknown>)[standard.setting.member]);
    const other = variable === 'LOG_FORMAT' ? 'text' : variable === 'LOG_LEVEL' ? 'debug' : String(value);
    const config = loadConfig({ env: { [variable]: other } });
    const { setting, owner } = settingsByPath(config).get(path)!;
    expect(String(setting.show((owner as Record<string, unknown>)[setting.member]))).toBe(other);
  });

  it('has a variable for every setting, nested ones, lists and maps included', () => {
    const config = loadConfig({
      env: {
        GATEWAY_ADAPTERS__PROMETHEUS__ENABLED: 'false',
        GATEWAY_AUTH__AUDIENCES: '[a, b]',
        GATEWAY_PRIORITY__FALLBACK_TABLE: '{critical: P0, default: P4}',
        GATEWAY_STORM_DETECTION__SIMILARITY_THRESHOLD: '0.5',
        GATEWAY_SERVER__READ_TIMEOUT: '10s',
        GATEWAY_ENVIRONMENT__NAMESPACE_PATTERNS: '[{pattern: ^prod-, environment: production}]',
      },
    });
    expect(config.adapters.prometheus.enabled).toBe(false);
    expect(config.auth.audiences).toEqual(['a', 'b']);
    expect(config.priority.fallbackTable).toEqual({ critical: 'P0', default: 'P4' });
    expect(config.stormDetection.similarityThreshold).toBe(0.5);
    expect(config.server.readTimeout).toBe(10_000);
    expect(config.environment.namespacePatterns).toEqual([{ pattern: '^prod-', environment: 'production' }]);
    expect(variableOf('adapters.prometheus.path')).toBe('GATEWAY_ADAPTERS__PROMETHEUS__PATH');
  });

  it('replaces a value that is wholly a variable', () => {
    expect(load('redis: { password: "${SECRET}" }\n', { SECRET: 'hunter2' }).redis.password).toBe('hunter2');
    expect(mistakesOf(() => load('redis: { password: "${SECRET}" }\n'))).toEqual([
      'redis.password: the environment variable SECRET is not set',
    ]);
    expect(load('auth: { audiences: [a, "${OTHER}"] }\n', { OTHER: 'b' }).auth.audiences).toEqual(['a', 'b']);
    expect(load('redis: { username: "a-${OTHER}" }\n', { OTHER: 'b' }).redis.username).toBe('a-${OTHER}');
  });

  it.each([
    [
      'an unknown key',
      'server: { listen_adr: ":1" }',
      'server.listen_adr: there is no such setting, did you mean listen_addr?',
    ],
    ['an unknown section', 'serber: {}', 'serber: there is no such setting, did you mean server?'],
    ['__proto__', '__proto__: { a: 1 }', '__proto__: there is no such setting'],
    ['a section that is none', 'redis: 7', 'redis: must be a section with settings, not a number'],
    ['an address of Redis without port', 'redis: { addr: redis }', 'redis.addr: must be empty, or an address such as'],
    [
      'two topologies of Redis',
      'redis: { cluster_nodes: ["a:1"], sentinels: ["b:2"] }',
      'redis.cluster_nodes: must be empty when there are redis.sentinels',
    ],
    [
      'a database of a Redis Cluster',
      'redis: { cluster_nodes: ["a:1"], db: 3 }',
      'redis.db: must be 0 in a Redis Cluster, not 3',
    ],
    ['a port that is none', 'redis: { addr: "redis:65536" }', 'redis.addr: must be empty, or an address such as'],
    [
      'a network with two masks',
      'server: { trusted_proxies: [10.0.0.0/8/9] }',
      'server.trusted_proxies: must be a list',
    ],
    ['a limit that is none', 'rate_limit: { per_namespace: 0 }', 'rate_limit.per_namespace: must be false or a whole'],
    [
      'a fraction out of range',
      'storm_detection: { similarity_threshold: 1.1 }',
      'must be a number from 0 to 1, not 1.1',
    ],
    ['a duration out of range', 'auth: { token_cache_ttl: 61s }', 'must be a duration from 0s to 60s'],
    ['a list that is empty and must not be', 'auth: { audiences: [] }', 'auth.audiences: must be a list'],
    ['a map that is none', 'signals: { severity_mapping: [a] }', 'signals.severity_mapping: must be a map'],
    [
      'a severity that is none',
      'signals: { severity_mapping: { a: loud } }',
      'signals.severity_mapping: must be a map',
    ],
    ['a value that is missing', 'redis: { db: }', 'redis.db: must be a whole number from 0 to 1000000, not null'],
    ['__proto__ in a section', 'redis: { __proto__: { db: 3 } }', 'redis.__proto__: there is no such setting'],
    ['an alias without anchor', 'redis: { password: *hunter2 }', 'must be in quotes'],
    ['a wrong type', 'metrics: { enabled: 3 }', 'metrics.enabled: must be true or false, not 3'],
    ['a number out of range', 'redis: { db: -1 }', 'redis.db: must be a whole number from 0 to 1000000, not -1'],
    ['a duration without unit', 'deduplication: { ttl: 30 }', '(a unit is missing: write 30s or 30m)'],
    ['a duration that is none', 'deduplication: { ttl: soon }', 'deduplication.ttl: must be a duration from 1s to 24h'],
    [
      'an unknown word',
      'logging: { level: loud }',
      'logging.level: must be one of trace, debug, info, warn, error, not "loud"',
    ],
    ['an address that is none', 'server: { listen_addr: "8080" }', 'server.listen_addr: must be an address such as'],
    ['a network that is none', 'server: { trusted_proxies: [10.0.0.0/99] }', 'server.trusted_proxies: must be a list'],
    ['credentials in an address', 'priority: { opa_url: "http://user:secret@opa:8181" }', 'priority.opa_url: must be'],
    ['everybody for a proxy', 'server: { trusted_proxies: [0.0.0.0/0] }', 'server.trusted_proxies: must be a list'],
    [
      'a list with a repetition',
      'environment: { sources: [configmap, configmap] }',
      'environment.sources: must be a list without repetitions',
    ],
    ['a source that is none', 'environment: { sources: [magic] }', 'environment.sources: must be'],
    [
      'a table without default',
      'priority: { fallback_table: { critical: P1 } }',
      'priority.fallback_table: must be a map',
    ],
    [
      'a table with a severity that is none',
      'priority: { fallback_table: { default: P3, critcal_production: P0 } }',
      'priority.fallback_table: must be a map',
    ],
    [
      'a table with an environment that can be none',
      'priority: { fallback_table: { default: P3, critical_Prod!: P0 } }',
      'priority.fallback_table: must be a map',
    ],
    [
      'a severity that nobody would look for',
      'signals: { severity_mapping: { Page: critical } }',
      'signals.severity_mapping: must be a map from lower-case severities',
    ],
    ['an answer that is cut off', 'server: { write_timeout: 3s }', 'server.write_timeout: must be a duration from 5s'],
    [
      'a priority that is none',
      'priority: { fallback_table: { default: P9 } }',
      'priority.fallback_table: must be a map',
    ],
    [
      'a pattern that is none',
      'environment: { namespace_patterns: [{pattern: "(", environment: a}] }',
      'environment.namespace_patterns: must be',
    ],
    ['a path of the documentation', 'health: { path: /docs }', 'health.path: /docs is taken by the API explorer'],
    [
      'a path below the documentation',
      'adapters: { prometheus: { path: /docs/signals } }',
      'adapters.prometheus.path: /docs/signals is taken by the API explorer',
    ],
    ['a path that liveness has', 'health: { readiness_path: /healthz }', '/healthz is taken by health.path'],
    [
      'a path that readiness has',
      'adapters: { grafana: { enabled: true, path: /readyz } }',
      '/readyz is taken by health.readiness_path',
    ],
    [
      'two paths that are one',
      'health: { path: /x, readiness_path: /x }',
      'health.readiness_path: /x is taken by health.path',
    ],
    [
      'a grace period that is over too soon',
      'server: { graceful_shutdown_timeout: 3s }',
      'server.graceful_shutdown_timeout: must be longer than server.shutdown_delay (5s), not 3s',
    ],
    ['a key that stands twice', 'redis: { db: 1 }\nredis: { db: 2 }', 'gateway.yaml:2:1: Map keys must be unique'],
    ['broken YAML', 'redis: {', 'gateway.yaml:1:'],
    ['a list in place of sections', '- a', 'must hold sections with settings'],
  ])('refuses %s, and says how it should be', (_what, text, expected) => {
    expect(mistakesOf(() => load(text)).join('\n')).toContain(expected);
  });

  it('lets what is switched off have the path of another', () => {
    const text =
      'health: { enabled: false }\nadapters: { prometheus: { path: /healthz }, grafana: { path: /healthz } }\n';
    expect(load(text).adapters.prometheus.path).toBe('/healthz');
  });

  it('says line and column of broken YAML', () => {
    const file = fileWith('server:\n  listen_addr: ":1"\nredis:\n  addr: a: b\n');
    expect(mistakesOf(() => loadConfig({ file, env: {} }))).toEqual([
      `${file}:4:9: Nested mappings are not allowed in compact mappings`,
    ]);
  });

  it('reads an empty file, and an empty section, as nothing set', () => {
    for (const text of ['', '# nothing\n', 'redis:\n']) {
      expect(effectiveConfig(load(text))).toEqual(effectiveConfig(new GatewayConfig()));
    }
  });

  it('keeps __proto__ as the key of a map, and lets it change nothing else', () => {
    const { severityMapping } = load('signals: { severity_mapping: { __proto__: info, loud: critical } }\n').signals;
    expect(Object.entries(severityMapping)).toEqual([
      ['__proto__', 'info'],
      ['loud', 'critical'],
    ]);
    expect(({} as Record<string, unknown>).loud).toBeUndefined();
  });

  it.each([
    ['GATEWAY_AUTH__AUDIENCES', 'a', 'auth.audiences'],
    ['GATEWAY_AUTH__AUDIENCES', '[a', 'auth.audiences'],
    ['GATEWAY_PRIORITY__FALLBACK_TABLE', '{critical: P0}', 'priority.fallback_table'],
    ['GATEWAY_METRICS__ENABLED', 'yes', 'metrics.enabled'],
    ['DEDUPLICATION_TTL', '300', 'deduplication.ttl'],
  ])('refuses %s=%s by the name of the variable', (variable, value, path) => {
    const [mistake, ...others] = mistakesOf(() => loadConfig({ env: { [variable]: value } }));
    expect(mistake).toContain(`${variable} (${path}): must be`);
    expect(mistake).toContain(JSON.stringify(value));
    expect(others).toEqual([]);
  });

  it('prefers the systematic variable of a setting to the named one, and leaves the variables of others alone', () => {
    const env = { REDIS_DB: '1', GATEWAY_REDIS__DB: '2', GATEWAY_SERVICE_HOST: '10.0.0.1', GATEWAY_TOKEN: 'x' };
    expect(loadConfig({ env }).redis.db).toBe(2);
  });

  it('has a variable for each setting that is its alone, and takes the default by it', () => {
    const all = [...settingsByPath(new GatewayConfig())].map(([path, { setting, owner }]) => {
      const value = setting.show((owner as Record<string, unknown>)[setting.member]);
      return [variableOf(path), typeof value === 'object' ? JSON.stringify(value) : value] as const;
    });
    expect(new Set(all.map(([variable]) => variable)).size).toBe(all.length);
    const env = Object.fromEntries(
      all.flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value as string | number | boolean}`]])),
    );
    expect(effectiveConfig(loadConfig({ env }))).toEqual(effectiveConfig(new GatewayConfig()));
  });

  it('lists everything that is wrong in one message, variables by their name', () => {
    const mistakes = mistakesOf(() =>
      load('server: { nope: 1, read_timeout: x }\nredis: { db: x }\n', { LOG_LEVEL: 'loud', GATEWAY_NO__SUCH: '1' }),
    );
    expect(mistakes).toHaveLength(5);
    expect(mistakes.join('\n')).toMatch(/GATEWAY_NO__SUCH: there is no such setting/);
    expect(mistakes.join('\n')).toMatch(/LOG_LEVEL \(logging\.level\): must be/);
    expect(() => load('redis: { db: x }', { REDIS_DB: 'y' })).toThrow(
      /^the configuration has 1 mistake:\n {2}- REDIS_DB/,
    );
  });

  it('says that a file cannot be read, together with the other mistakes', () => {
    expect(mistakesOf(() => loadConfig({ file: '/no/such/file', env: { REDIS_DB: 'x' } }))).toEqual([
      '/no/such/file: cannot be read (ENOENT)',
      'REDIS_DB (redis.db): must be a whole number from 0 to 1000000, not "x"',
    ]);
  });

  it('never shows a secret', () => {
    for (const text of [
      'redis: { password: [hunter2] }\n',
      'redis: { pasword: hunter2 }\n',
      'redis: [{ password: hunter2 }]\n',
      'redis: "${REDIS_URL}"\n',
      'redis: { password: *hunter2 }\n',
      'redis:\n  password: "hunter2\n',
      'redis:\n  password: @hunter2\n',
    ]) {
      const mistakes = mistakesOf(() => load(text, { REDIS_URL: 'redis://:hunter2@redis' }));
      expect(mistakes).toHaveLength(1);
      expect(mistakes.join('\n')).not.toContain('hunter2');
    }
    const config = loadConfig({ env: { REDIS_PASSWORD: 'hunter2' } });
    expect(JSON.stringify(effectiveConfig(config))).not.toContain('hunter2');
    expect(effectiveConfig(config)).toMatchObject({ redis: { password: '***' } });
    expect(effectiveConfig(new GatewayConfig())).toMatchObject({ redis: { password: '' } });
  });

  it('refuses signatures in headers that are taken, and secrets that are short, without showing them', () => {
    const hmac = (text: string) => mistakesOf(() => load(`adapters: { grafana: { hmac: { ${text} } } }\n`));
    expect(hmac('header: Authorization')).toEqual([
      'adapters.grafana.hmac: Authorization is for tokens, choose another header',
    ]);
    expect(hmac('header: X-A, timestamp_header: x-a')).toEqual([
      'adapters.grafana.hmac.timestamp_header: must be another than header',
    ]);
    expect(hmac('secret: hunter2')).toEqual(['adapters.grafana.hmac.secret: must be empty, or at least 16 characters']);
  });

  it('wants a source that it is told to watch', () => {
    expect(mistakesOf(() => load('adapters: { kubernetes_event: { enabled: false, watch: true } }\n'))).toEqual([
      'adapters.kubernetes_event.enabled: must be true for its watch to be used',
    ]);
  });

  it('knows which settings were set that do nothing yet', () => {
    expect(reservedKeysInUse(loadConfig({ env: {} }))).toEqual([]);
    expect(reservedKeysInUse(loadConfig({ env: { STORM_RATE_THRESHOLD: '15' } }))).toEqual([]);
    expect(reservedKeysInUse(load('redis: { db: 3, pool_size: 7 }\n'))).toEqual(['redis.pool_size']);
  });

  it('has a JSON schema that accepts its own defaults and the example, and refuses what the loader refuses', () => {
    const validate = new Ajv({ strict: false }).compile(configurationJsonSchema());
    expect([validate(effectiveConfig(new GatewayConfig())), validate.errors]).toEqual([true, null]);
    expect(validate(effectiveConfig(load(exampleFile, { REDIS_PASSWORD: 'x' })))).toBe(true);
    const example = parse(exampleFile) as Record<string, unknown>;
    expect([validate(example), validate.errors]).toEqual([true, null]);
    expect(validate({ ...example, nope: {} })).toBe(false);
    expect(validate({ server: { nope: 1 } })).toBe(false);
    expect(validate({ adapters: { prometheus: { nope: 1 } } })).toBe(false);
    expect(validate({ deduplication: { ttl: 30 } })).toBe(false);
    expect(validate({ redis: { db: -1 } })).toBe(false);
  });
});
