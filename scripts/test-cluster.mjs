// The chart in a real cluster, under steady load, while what happens to a gateway happens: an upgrade, a changed configuration, killed pods.
//
//   npm run test:cluster                   makes a Kubernetes of one node here (root, Debian or Ubuntu, Go), the image, and all else
//   npm run test:cluster -- --write        writes the table into docs/reliability.md as well
//   KUBECONFIG=… npm run test:cluster -- --image registry.example.com/kubernaut/gateway:0.1.0
//                                          in a cluster of yours whose nodes can pull the image, and Redis
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { isOnPath, run, seconds, timed } from './lib/command.mjs';
import { buildGoTool, findAsset } from './lib/go-tools.mjs';
import { images, writeProgramImage } from './lib/cluster/images.mjs';
import { clusterPrograms, startSingleNode } from './lib/cluster/single-node.mjs';
import { installDebianPackages } from './lib/tools.mjs';

const { values: options } = parseArgs({ options: { image: { type: 'string' }, write: { type: 'boolean' } } });
const document = 'docs/reliability.md';
const [begin, end] = ['<!-- table: npm run test:cluster -->', '<!-- end of table: npm run test:cluster -->'];
const chart = 'charts/kubernaut-gateway';
// Of its own, for they are deleted at the end.
const place = 'kubernaut-test';
const [monitoring, prod] = [`${place}-monitoring`, `${place}-prod`];
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** What makes a node, by the Debian package that brings it. */
const debianPrograms = {
  containerd: 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  conntrack: 'conntrack',
  etcd: 'etcd-server',
  buildah: 'buildah',
  debootstrap: 'debootstrap',
  'redis-server': 'redis-server',
  openssl: 'openssl',
  kubectl: 'kubernetes-client',
};

const own = options.image === undefined;
const folder = mkdtempSync(join(tmpdir(), 'cluster-'));
let cluster;
/** Only what was not there before is removed. */
let mayRemove = false;
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopped.abort(new Error(`${signal}: stopped`)));

try {
  if (findAsset('helm') === undefined) buildGoTool('helm');
  cluster = own ? await makeCluster() : { kubeconfig: process.env.KUBECONFIG, stop: async () => undefined };
  if (!cluster.kubeconfig) throw new Error('--image is for a cluster of yours: KUBECONFIG says which');
  const table = await tryIt();
  console.log(`\n${table}`);
  if (options.write) writeTable(table);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
  if (mayRemove) console.error(kubectl('get', 'pods,events', '-A'));
} finally {
  if (mayRemove) removeAll();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function makeCluster() {
  if (process.platform !== 'linux' || process.getuid() !== 0)
    throw new Error("a node of one's own needs Linux and root; --image tries a cluster of yours");
  installDebianPackages(
    Object.entries(debianPrograms)
      .filter(([program]) => !isOnPath(program))
      .map(([, name]) => name)
      .concat(isInstalledCni() ? [] : ['containernetworking-plugins']),
  );
  const absent = Object.keys(debianPrograms).filter((program) => !isOnPath(program));
  if (absent.length > 0 || !isInstalledCni())
    throw new Error(`no cluster: there is no ${absent.join(', ') || 'CNI plugin'}`);
  for (const program of clusterPrograms) if (findAsset(program) === undefined) buildGoTool(program);
  const archive = (name) => join(folder, `${name}.tar`);
  for (const [name, image] of Object.entries(images))
    timed(`image of ${name}`, () => writeProgramImage(image, join(folder, 'storage'), archive(name)));
  timed('image of the gateway (npm run image)', () =>
    run('npm', [
      'run',
      '--silent',
      'image',
      '--',
      `docker-archive:${archive('gateway')}:localhost/kubernaut-gateway:${version}`,
    ]),
  );
  const state = join(folder, 'node');
  mkdirSync(state);
  const start = performance.now();
  const made = await startSingleNode(state, ['redis', 'pause', 'gateway'].map(archive));
  console.log(`a cluster of one node ... ${seconds(performance.now() - start)}`);
  return made;
}

function isInstalledCni() {
  return isThere('/usr/lib/cni/bridge') && isThere('/usr/lib/cni/host-local');
}

function isThere(file) {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

function kubectl(...args) {
  return run('kubectl', ['--kubeconfig', cluster.kubeconfig, ...args]);
}

function helm(...args) {
  return run(findAsset('helm'), [...args, '--kubeconfig', cluster.kubeconfig, '--namespace', place]);
}

function create(...objects) {
  const file = join(folder, 'objects.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  kubectl('create', '-f', file);
}

/** Installs, sends, and plays one thing after another. Answers the table; throws when an alert was lost or doubled, or refused for no reason. */
async function tryIt() {
  install();
  await startSenders();
  const phases = [];
  const phase = async (what, graceful, play) => {
    const start = Date.now();
    await timedStep(what, play);
    await delay(5_000, undefined, { signal: stopped.signal });
    phases.push({ what, graceful, start, end: Date.now() });
  };
  const rolledOut = () => kubectl('-n', place, 'rollout', 'status', 'deployment/gateway-service', '--timeout=180s');
  const upgrade = (...set) => {
    helm('upgrade', 'gateway', chart, '--reuse-values', ...set.flatMap((value) => ['--set', value]));
    rolledOut();
  };
  const kill = async (selector) => {
    const [pod] = kubectl('-n', place, 'get', 'pods', '-l', selector, '-o', 'name').trim().split('\n');
    kubectl('-n', place, 'delete', pod, '--grace-period=0', '--force');
    // Its Deployment takes a moment to notice.
    kubectl('-n', place, 'wait', pod, '--for=delete', '--timeout=60s');
    await delay(2_000, undefined, { signal: stopped.signal });
  };
  await phase('nothing happens', true, () => delay(10_000));
  await phase('`helm upgrade`, every pod is replaced', true, () => upgrade('podAnnotations.round=second'));
  await phase('the configuration changes', true, () =>
    upgrade('config.logging.level=warn', 'config.deduplication.ttl=10m'),
  );
  await phase('a gateway pod is killed', false, async () => {
    await kill('app.kubernetes.io/component=gateway');
    rolledOut();
  });
  await phase('the Redis pod is killed', true, async () => {
    await kill('app.kubernetes.io/component=redis');
    kubectl('-n', place, 'rollout', 'status', 'deployment/gateway-service-redis', '--timeout=120s');
  });
  const senders = await stopSenders();
  return verdict(phases, senders);
}

async function timedStep(what, play) {
  const start = performance.now();
  process.stdout.write(`${what} ... `);
  await play();
  console.log(seconds(performance.now() - start));
}

function install() {
  const values = join(folder, 'values.yaml');
  const [repository, tag] = own ? ['localhost/kubernaut-gateway', version] : options.image.split(/:(?=[^/]*$)/);
  const [redis, redisTag] = images.redis.name.split(':');
  writeFileSync(
    values,
    stringify({
      image: { repository, tag },
      bundledRedis: { enabled: true, ...(own ? { image: { repository: redis, tag: redisTag } } : {}) },
      senders: [{ kind: 'ServiceAccount', name: 'alertmanager', namespace: monitoring }],
      // Each alert is to be a request of its own, so that they can be counted.
      config: { storm_detection: { enabled: false } },
    }),
  );
  create(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: place } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: monitoring } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: prod, labels: { environment: 'production' } } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'alertmanager', namespace: monitoring } },
  );
  mayRemove = true;
  timed('helm install, until it is ready', () =>
    helm('install', 'gateway', chart, '--values', values, '--wait', '--timeout', '4m'),
  );
}

/** Two, as of a pair of Alertmanagers: one keeps its connections, the other takes a new one for each post. */
async function startSenders() {
  const script = readFileSync('scripts/lib/cluster/sender.mjs', 'utf8');
  create(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'sender', namespace: monitoring },
      data: { 'sender.mjs': script },
    },
    senderPod('sender-0', {}),
    senderPod('sender-1', { NEW_CONNECTIONS: 'yes' }),
  );
  kubectl('-n', monitoring, 'wait', 'pod', '--all', '--for=condition=Ready', '--timeout=120s');
}

function senderPod(name, env) {
  const settings = {
    GATEWAY: `http://gateway-service.${place}.svc.cluster.local:8080`,
    TOKEN_FILE: '/var/run/gateway/token',
    NAMESPACE: prod,
    PAUSE_MS: '100',
    ...env,
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: monitoring },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: 'alertmanager',
      // Two questions over one port get lost where connections are tracked; the C library asks again after 5 s.
      dnsConfig: { options: [{ name: 'single-request-reopen' }] },
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'sender',
          image: own ? `localhost/kubernaut-gateway:${version}` : options.image,
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '/sender/sender.mjs'],
          env: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
          volumeMounts: [
            { name: 'sender', mountPath: '/sender' },
            { name: 'token', mountPath: '/var/run/gateway' },
          ],
        },
      ],
      volumes: [
        { name: 'sender', configMap: { name: 'sender' } },
        {
          name: 'token',
          projected: {
            sources: [
              { serviceAccountToken: { audience: 'kubernaut-gateway', path: 'token', expirationSeconds: 3600 } },
            ],
          },
        },
      ],
    },
  };
}

/** Has them end, and reads what they met. */
async function stopSenders() {
  const summaries = [];
  for (const name of ['sender-0', 'sender-1']) {
    const inPod = (...args) => kubectl('-n', monitoring, ...args);
    inPod('exec', name, '--', 'node', '-e', 'process.kill(1, "SIGTERM")');
    inPod('wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=90s');
    const lines = inPod('logs', name).trim().split('\n');
    summaries.push(JSON.parse(lines.at(-1)).summary);
  }
  return summaries;
}

function verdict(phases, senders) {
  const alerts = Math.max(...senders.map(({ sent }) => sent));
  const list = [
    'get',
    'remediationrequests',
    '-n',
    prod,
    '-o',
    'jsonpath={range .items[*]}{.spec.alertName}{"\\n"}{end}',
  ];
  const requests = Map.groupBy(
    kubectl(...list)
      .trim()
      .split('\n'),
    (name) => name,
  );
  const names = Array.from({ length: alerts }, (_, i) => `Steady${i}`);
  const lost = names.filter((name) => !requests.has(name));
  const doubled = names.filter((name) => requests.get(name)?.length > 1);
  const answers = senders.flatMap((one) => one.answers);
  const rows = phases.map(({ what, graceful, start, end: over }) => {
    const those = answers.filter(({ at }) => at >= start && at < over);
    const failed = those.filter(({ taken }) => !taken);
    const kinds = [...Map.groupBy(failed, ({ said }) => said)].map(([said, all]) => `${all.length} × ${said}`);
    const worst = Math.max(...those.map(({ served = 0 }) => served));
    const slowest = Math.max(...those.map(({ took }) => took));
    return {
      graceful,
      failed: failed.length,
      cells: [
        what,
        those.length,
        kinds.join(', ') || 0,
        `${(worst / 1000).toFixed(2)} s`,
        `${(slowest / 1000).toFixed(2)} s`,
      ],
    };
  });
  const table = [
    '| what happens | posts | sent again | longest in the gateway | longest for the sender |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(({ cells }) => `| ${cells.join(' | ')} |`),
    '',
    `Of ${alerts} alerts ${lost.length} were lost and ${doubled.length} doubled.`,
  ].join('\n');
  const wrong = [
    ...(lost.length > 0 ? [`lost: ${lost.slice(0, 10).join(', ')}`] : []),
    ...(doubled.length > 0 ? [`doubled: ${doubled.slice(0, 10).join(', ')}`] : []),
    ...rows
      .filter(({ graceful, failed }) => graceful && failed > 0)
      .map(({ cells }) => `refused although pods end in order: ${cells[0]}`),
  ];
  if (wrong.length > 0) throw new Error(`${table}\n\n${wrong.join('\n')}`);
  return table;
}

/** In a cluster of the user's nothing is to stay, and on a node of ours pods are to end before their node. */
function removeAll() {
  const works = [
    () => kubectl('delete', 'pods', '-n', monitoring, '--all', '--grace-period=1'),
    () => helm('uninstall', 'gateway', '--wait', '--timeout', '1m'),
    () => kubectl('delete', 'namespace', prod, monitoring, place, '--timeout=60s'),
  ];
  for (const work of works)
    try {
      work();
    } catch (error) {
      if (!own) console.error(error.message);
    }
}

function writeTable(table) {
  const text = readFileSync(document, 'utf8');
  const [before] = text.split(begin);
  const [, after] = text.split(end);
  const day = new Date().toISOString().slice(0, 10);
  const where = `Of ${day}: ${own ? `one node with ${availableParallelism()} cores that runs everything` : 'a cluster'}, two gateways, the bundled Redis.`;
  writeFileSync(document, `${before}${begin}\n\n${where}\n\n${table}\n\n${end}${after}`);
  console.log(`wrote the table into ${document}`);
}
