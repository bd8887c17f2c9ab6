import { sources } from '../adapters/sources';
import { dnsLabel, dnsName } from '../dns-names';
import { priorities } from '../signal/priority';
import { isSeverity, severities } from '../signal/severity';
import { path, pathRange } from './paths';
import { identities, type Identity } from './source-settings';
import {
  Decimal,
  Duration,
  Flag,
  Integer,
  isAddressOrNetwork,
  isServerAddress,
  Limit,
  ListenAddress,
  OneOf,
  RecordList,
  Section,
  ServerAddress,
  Text,
  TextLike,
  TextList,
  TextMap,
} from './setting';

const reserved = { reserved: true };
const labelRange = 'at most 63 lower-case letters, digits and hyphens';
const dnsLabelOrNone = new RegExp(`^$|${dnsLabel.source}`);
const nonEmpty = { range: 'texts', accepts: (text: string) => text !== '' };
/** Where the policy is unless the configuration says otherwise. */
export const defaultPolicyPath = '/etc/kubernaut/policies/priority.rego';
/** Who may be asked for the environment of a signal. */
export const environmentSources = ['configmap', 'namespace_label', 'alert_label', 'namespace_pattern'] as const;

export class ServerTlsConfig {
  @Flag('Whether senders and probes speak to the gateway over TLS (1.2 or newer).')
  enabled = false;

  @Text('PEM file of its certificate, followed by those that lead to its authority. Read anew when it changes.')
  certFile = '/etc/kubernaut/tls/tls.crt';

  @Text('PEM file of its key.')
  keyFile = '/etc/kubernaut/tls/tls.key';
}

export class ServerConfig {
  @ListenAddress('Where senders post. Port 0 takes a free port.')
  listenAddr = ':8080';

  @Duration('100ms', '10m', 'A whole request must have been received in this time; else 408.')
  readTimeout = 30_000;

  @Duration('5s', '10m', 'Longest standstill of a connection while a request is being served, which may take 5s.')
  writeTimeout = 30_000;

  @Duration(
    '1s',
    '1h',
    'Longest life of an idle connection. Longer than the 5 minutes of Alertmanager, so that it never posts on one that is being closed.',
  )
  idleTimeout = 360_000;

  @Integer(4_096, 1_048_576, 'The largest size of all headers of a request, in bytes.')
  maxHeaderBytes = 16_384;

  @Integer(1_024, 67_108_864, 'The largest body of a request, in bytes; else 413, which Alertmanager does not retry.')
  maxBodyBytes = 1_048_576;

  @Integer(
    65_536,
    1_073_741_824,
    'Bodies that are read and worked on at once, in bytes; at least twice max_body_bytes. What is made of them takes thirty to sixty times as much memory. One caller has half of it; who finds no room waits for 2 s at the most, and is then answered 503.',
  )
  maxBytesInProgress = 4_194_304;

  @Duration('1s', '10m', 'After SIGTERM everything must have ended in this time.')
  gracefulShutdownTimeout = 30_000;

  @Duration(
    '0s',
    '5m',
    'After SIGTERM the gateway is not ready but goes on serving for this long, since endpoints are removed a little later.',
  )
  shutdownDelay = 5_000;

  @TextList(
    { range: 'addresses or networks such as 10.0.0.0/8, not of everybody (/0)', accepts: isAddressOrNetwork },
    'Proxies whose X-Forwarded-For is believed: the right-most address that is none of them is the client.',
  )
  trustedProxies: string[] = [];

  @Section('TLS towards senders.')
  tls = new ServerTlsConfig();
}

export class AuthConfig {
  @TextList({ ...nonEmpty, range: 'at least one text', min: 1 }, 'A token must be meant for one of these audiences.')
  audiences = ['kubernaut-gateway'];

  @Duration('0s', '60s', 'An accepted token is not reviewed again for this long, and never beyond its own expiry.')
  tokenCacheTtl = 60_000;

  @Duration('0s', '10s', 'A refused token is not reviewed again for this long.')
  failureCacheTtl = 10_000;

  @Integer(1, 256, 'Most token reviews, and most access reviews, that are under way at once; further ones wait.')
  maxReviewsInFlight = 16;

  @Duration('1s', '1h', 'A caller that may send signals for a namespace is not asked about again for this long.')
  allowedCacheTtl = 300_000;

  @Duration('1s', '5m', 'A caller that may not is not asked about again for this long.')
  deniedCacheTtl = 30_000;
}

export class KubernetesConfig {
  @Text('A kubeconfig file. Empty: KUBECONFIG, else ~/.kube/config, else the ServiceAccount of the pod.')
  kubeconfig = '';

  @Text('A context of the kubeconfig. Empty: its current one.')
  context = '';

  @Integer(1, 1_024, 'Connections to the API server that all calls share.')
  connections = 32;

  @Duration('100ms', '4s', 'Deadline of one attempt of a call; what can succeed on repetition is repeated.')
  callTimeout = 2_000;

  @Integer(
    1,
    1_024,
    'Creates and status patches that are under way at once; further ones wait, and when 2000 wait, signals are answered 503.',
  )
  maxWritesInFlight = 24;
}

export class CrdConfig {
  @TextLike(
    dnsLabelOrNone,
    `empty, or ${labelRange}`,
    'Takes the requests of signals whose namespace is absent or being deleted. Empty: the namespace of the gateway.',
  )
  fallbackNamespace = '';
}

export class FingerprintConfig {
  @Text('Name of the cluster in the identity of an incident, when several clusters share what consumes the requests.')
  cluster = '';

  @OneOf(
    identities,
    'What makes two signals one incident: object, the name of the signal and the object that it is about; owner, its name and the workload that owns the object; object_only and owner_only, the same whatever the signals are called and whoever sends them.',
  )
  identity: Identity = 'object';

  @TextList(nonEmpty, 'Labels that join the identity of every incident.')
  identityLabels: string[] = [];

  @TextList(nonEmpty, 'Labels that only say which replica of the sender spoke; they never count for the identity.')
  replicaLabels = ['prometheus_replica', 'prometheus', 'thanos_ruler_replica', 'receive_replica'];
}

export class SignalsConfig {
  @TextLike(dnsLabel, labelRange, 'The namespace of a signal that names a namespaced object and no namespace.')
  defaultNamespace = 'default';

  @TextMap(
    {
      range: `a map from lower-case severities to ${severities.join(', ')}`,
      accepts: (map) => Object.keys(map).every((name) => name === name.trim().toLowerCase()),
      values: severities,
    },
    'What other severities mean. One that is not listed, or none, is a warning.',
  )
  severityMapping: Record<string, string> = {
    page: 'critical',
    fatal: 'critical',
    emergency: 'critical',
    error: 'critical',
    high: 'critical',
    major: 'critical',
    sev1: 'critical',
    p1: 'critical',
    warn: 'warning',
    medium: 'warning',
    minor: 'warning',
    sev2: 'warning',
    p2: 'warning',
    low: 'info',
    notice: 'info',
    information: 'info',
    informational: 'info',
    sev3: 'info',
    p3: 'info',
  };

  @TextList(nonEmpty, 'Alerts that only prove that the sender is alive: answered, counted, never a request.')
  heartbeatAlerts = ['Watchdog', 'DeadMansSwitch'];
}

export class RedisTlsConfig {
  @Flag('Whether Redis and its Sentinels are spoken to over TLS.')
  enabled = false;

  @Text('PEM file of the authorities that sign their certificates. Empty: those that the system trusts.')
  caFile = '';

  @Text('PEM file of our own certificate, where they ask for one; goes with key_file.')
  certFile = '';

  @Text('PEM file of its key.')
  keyFile = '';

  @Text('Name that their certificates are for. Empty: the host of the address.')
  serverName = '';
}

export class RedisConfig {
  @ServerAddress(
    'empty, or an address such as redis:6379',
    'Redis. Empty: the state is in this process, which is right for one replica only.',
  )
  addr = 'redis:6379';

  @TextList(
    { range: 'addresses such as sentinel-0:26379', accepts: isServerAddress },
    'Sentinels. When there are any they say which Redis is the primary, and addr is not used.',
  )
  sentinels: string[] = [];

  @TextLike(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits and . _ -', 'Name of the primary that the Sentinels watch.')
  sentinelMaster = 'mymaster';

  @Text('ACL user at the Sentinels. Empty: the default user.')
  sentinelUsername = '';

  @Text('Password at the Sentinels, where they ask for one.', { secret: true })
  sentinelPassword = '';

  @TextList(
    { range: 'addresses such as redis-0:6379', accepts: isServerAddress },
    'Some nodes of a Redis Cluster, which know the others. When there are any, addr is not used.',
  )
  clusterNodes: string[] = [];

  @Section('TLS towards Redis.')
  tls = new RedisTlsConfig();

  @Text('ACL user. Empty: the default user.')
  username = '';

  @Text('Password; best given by REDIS_PASSWORD.', { secret: true })
  password = '';

  @Integer(0, 1_000_000, 'Database number.')
  db = 0;

  @Duration('100ms', '1m', 'Deadline for connecting.')
  dialTimeout = 5_000;

  @Duration('10ms', '2s', 'Deadline of one command; after it Redis counts as away.')
  commandTimeout = 250;

  @OneOf(
    ['degrade', 'reject'],
    'While Redis is away: degrade answers from the API server and this process, reject answers 503.',
  )
  onFailure: 'degrade' | 'reject' = 'degrade';

  @TextLike(/^[A-Za-z0-9:._-]{1,64}$/, 'at most 64 letters, digits and : . _ -', 'Every key begins with this.')
  keyPrefix = 'kubernaut-gateway';

  @Integer(0, 100, 'No effect: connecting is tried for ever, in growing steps, and no command is sent twice.', reserved)
  maxRetries = 3;

  @Integer(0, 10_000, 'No effect: one connection carries all commands, and is kept.', reserved)
  minIdleConns = 10;

  @Integer(1, 10_000, 'No effect: one connection carries all commands.', reserved)
  poolSize = 100;

  @Duration(
    '0s',
    '1m',
    'No effect: nothing waits for a connection; while there is none, Redis counts as away.',
    reserved,
  )
  poolTimeout = 4_000;

  @Duration('0s', '1m', 'A socket on which an answer is due and nothing comes for this long is given up. 0s: never.')
  readTimeout = 3_000;

  @Duration(
    '0s',
    '1m',
    'No effect: what cannot be written is not answered either, which command_timeout notices.',
    reserved,
  )
  writeTimeout = 3_000;
}

export class RateLimitConfig {
  @Integer(
    1,
    1_000_000,
    'Refused credentials and token reviews that an address may cause in a minute; a token that was accepted is not limited by its address.',
  )
  requestsPerMinute = 100;

  @Integer(1, 1_000_000, 'How many of them may come at once.')
  burst = 10;

  @Integer(1, 10_000_000, 'Requests that an authenticated caller may send in a minute; else 503, which is retried.')
  authenticatedRequestsPerMinute = 6_000;

  @Limit('New signals of a namespace in a minute; further ones are answered 503, so that they are sent again.')
  perNamespace: false | number = false;
}

export class DeduplicationConfig {
  @Duration(
    '1s',
    '24h',
    'An incident is remembered for this long after its last sighting, even when the API server cannot be asked about its request.',
  )
  ttl = 300_000;

  @Duration(
    '0s',
    '168h',
    'A firing incident stays a duplicate of its request for this long after that is over. Default: the ttl.',
  )
  cooldown: number | undefined = undefined;

  @Duration('1s', '1h', 'How often the state in this process drops what has expired. Redis expires its own.')
  cleanupInterval = 60_000;
}

export class StormDetectionConfig {
  @Flag('Whether many alike signals at once share one request; else each has one of its own.')
  enabled = true;

  @TextList(
    { ...nonEmpty, range: 'namespace, alertname, severity or names of labels', min: 1 },
    'New signals that agree in these are counted together, and have one storm.',
  )
  groupBy = ['namespace', 'alertname'];

  @Integer(1, 10_000, 'More new signals of a group than this in a minute are a storm.')
  rateThreshold = 10;

  @Integer(1, 30, 'More resources of a group than this, with alike labels, in two minutes are a storm.')
  patternThreshold = 5;

  @Decimal(0, 1, 'How alike labels must be for that: the share of them that two signals have in common.')
  similarityThreshold = 0.8;

  @Duration('1s', '1h', 'New signals of a group join its storm until there was none for so long,')
  aggregationWindow = 60_000;

  @Duration('1s', '24h', 'and for so long at the most.')
  maxWindow = 900_000;

  @Duration('10ms', '2s', 'Signals that join a storm within this time share one write.')
  flushInterval = 200;

  @TextList(nonEmpty, 'Namespaces without storms: each signal has a request of its own.')
  excludeNamespaces: string[] = [];

  @TextList(nonEmpty, 'Alert names without storms.')
  excludeAlerts: string[] = [];
}

export class EnvironmentConfig {
  @Duration('0s', '1h', 'Namespaces are watched; nothing is kept by time.', reserved)
  cacheTtl = 30_000;

  @TextLike(dnsLabel, labelRange, 'Namespace of the ConfigMap with the overrides.')
  configmapNamespace = 'kubernaut-system';

  @TextLike(dnsName, 'the name of a ConfigMap', 'ConfigMap whose entries set the environment of a namespace.')
  configmapName = 'kubernaut-environment-overrides';

  @TextLike(dnsLabel, labelRange, 'The environment when no source says one.')
  defaultEnvironment = 'unknown';

  @TextList(
    {
      range: environmentSources.join(', '),
      accepts: (text) => (environmentSources as readonly string[]).includes(text),
    },
    'Who is asked for the environment, in this order.',
  )
  sources: (typeof environmentSources)[number][] = [...environmentSources];

  @TextList(nonEmpty, 'Labels of a namespace that name its environment, in this order.')
  namespaceLabels = ['environment'];

  @RecordList(
    {
      range: 'a list of {pattern: regular expression, environment: name}',
      members: ['pattern', 'environment'],
      accepts: ({ pattern = '', environment = '' }) => isRegularExpression(pattern) && dnsLabel.test(environment),
    },
    'Environments by the name of the namespace; the first pattern that matches counts.',
  )
  namespacePatterns: { pattern: string; environment: string }[] = [];
}

export class PriorityConfig {
  @Text(
    'Rego policy: .rego, which opa compiles, .wasm, or a bundle. When there is no file at the default place, the policy that comes with the gateway.',
  )
  regoPolicyPath = defaultPolicyPath;

  @TextLike(
    /^$|^https?:\/\/[^\s@]+$/,
    'empty, or a URL without credentials such as http://opa:8181',
    'An OPA server that evaluates the policy instead of this process, for the price of a call each.',
  )
  opaUrl = '';

  @Text('The opa binary, which compiles .rego policies.')
  opaPath = 'opa';

  @TextMap(
    {
      range: `a map from <severity>_<environment>, <severity> and default (which must be there) to ${priorities.join(', ')}, of the severities ${severities.join(', ')}`,
      accepts: (map) => Object.keys(map).every(isTableKey),
      values: priorities,
      required: ['default'],
    },
    'Decides what the policy does not. The most specific entry decides. A table of yours replaces the whole one.',
  )
  fallbackTable: Record<string, string> = {
    critical_production: 'P1',
    critical_staging: 'P2',
    warning_production: 'P2',
    warning_staging: 'P3',
    default: 'P3',
  };
}

export class LoggingConfig {
  @OneOf(['trace', 'debug', 'info', 'warn', 'error'], 'The least urgent lines that are written.')
  level = 'info';

  @OneOf(['json', 'text'], 'JSON lines, or text for people.')
  format = 'json';

  @TextLike(/^(stdout|stderr|\/.+)$/, 'stdout, stderr or the absolute path of a file', 'Where the log goes.')
  output = 'stdout';

  @Flag('Adds file and line to each line, for the price of a stack trace each.')
  addCaller = false;
}

export class MetricsConfig {
  @Flag('Whether metrics are served.')
  enabled = true;

  @ListenAddress('Where metrics are served: a listener of their own.')
  listenAddr = ':9090';

  @TextLike(path, pathRange, 'Their path.')
  path = '/metrics';
}

export class HealthConfig {
  @Flag('Whether liveness and readiness are served.')
  enabled = true;

  @TextLike(path, pathRange, 'Liveness; /healthz answers as well.')
  path = '/health';

  @TextLike(path, pathRange, 'Readiness; /readyz answers as well.')
  readinessPath = '/ready';
}

type SourcesConfig = {
  readonly [Name in keyof typeof sources]: InstanceType<(typeof sources)[Name]['settings']>;
};

/** A section for each source, which brings its settings itself. */
class Adapters {
  static create(this: void): SourcesConfig {
    const entries = Object.entries(sources).map(([name, { settings }]) => [name, new settings()]);
    return Object.assign(new Adapters(), Object.fromEntries(entries) as SourcesConfig);
  }
}
for (const [name, { title }] of Object.entries(sources)) Section(title)(Adapters.prototype, name);

/** Every setting with its default. Durations are milliseconds. */
export class GatewayConfig {
  @Section('The HTTP server.')
  server = new ServerConfig();

  @Section('Who may send signals: tokens are checked by TokenReview.')
  auth = new AuthConfig();

  @Section('The API server.')
  kubernetes = new KubernetesConfig();

  @Section('RemediationRequests.')
  crd = new CrdConfig();

  @Section('The identity of an incident.')
  fingerprint = new FingerprintConfig();

  @Section('How signals are read.')
  signals = new SignalsConfig();

  @Section('The shared memory of replicas.')
  redis = new RedisConfig();

  @Section('Limits of what addresses and callers may send.')
  rateLimit = new RateLimitConfig();

  @Section('When a signal is one that is known already.')
  deduplication = new DeduplicationConfig();

  @Section('Storms of alerts.')
  stormDetection = new StormDetectionConfig();

  @Section('In which environment a signal happened.')
  environment = new EnvironmentConfig();

  @Section('How urgent a signal is.')
  priority = new PriorityConfig();

  @Section('The log.')
  logging = new LoggingConfig();

  @Section('Metrics for Prometheus.')
  metrics = new MetricsConfig();

  @Section('Probes.')
  health = new HealthConfig();

  @Section('The sources of signals.')
  adapters = Adapters.create();
}

function isRegularExpression(text: string): boolean {
  try {
    new RegExp(text);
    return text !== '';
  } catch {
    return false;
  }
}

/** Any other key would never be looked for. */
function isTableKey(key: string): boolean {
  if (key === 'default') return true;
  const end = key.indexOf('_');
  return isSeverity(end === -1 ? key : key.slice(0, end)) && (end === -1 || dnsLabel.test(key.slice(end + 1)));
}
