// A Kubernetes of one node on this machine: etcd, control plane, kubelet, containerd, kube-proxy and CoreDNS, all in one folder and on one bridge.
import { spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../command.mjs';
import { findAsset } from '../go-tools.mjs';
import { images } from './images.mjs';

const bridge = 'kubernaut0';
const address = '10.231.0.1';
const pods = '10.231.0.0/24';
const services = '10.96.0.0/24';
const forwarding = '/proc/sys/net/ipv4/ip_forward';
const api = `https://${address}:26443`;
const etcd = 'http://127.0.0.1:22379';

/** The programs of Kubernetes that it needs; scripts/lib/go-tools.mjs builds them. */
export const clusterPrograms = [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'kubelet', 'coredns'],
];

/**
 * Starts it, and imports images.
 * @param folder an empty one, for all that it writes
 * @param archives files as `docker save` writes them
 * @returns its kubeconfig, and `stop`, which leaves nothing behind
 */
export async function startSingleNode(folder, archives) {
  const started = [];
  const forwardedBefore = readFileSync(forwarding, 'utf8');
  const stop = () => stopAll(folder, started, forwardedBefore);
  try {
    await start(folder, archives, (name, program, args) => started.push(launch(folder, name, program, args)));
    for (const { name, child } of started)
      if (child.exitCode !== null)
        throw new Error(`${name} has ended: ${readFileSync(join(folder, `${name}.log`), 'utf8')}`);
    return { kubeconfig: join(folder, 'kubeconfig'), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(folder, archives, program) {
  const at = (name) => join(folder, name);
  const asset = (name) => findAsset(name);
  writeFileSync(forwarding, '1');
  run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  run('ip', ['addr', 'add', `${address}/24`, 'dev', bridge]);
  run('ip', ['link', 'set', bridge, 'up']);

  run('openssl', ['genrsa', '-out', at('sa.key'), '2048']);
  run('openssl', ['rsa', '-in', at('sa.key'), '-pubout', '-out', at('sa.pub')]);
  const certificate = ['-keyout', at('kubelet-client.key'), '-out', at('kubelet-client.crt')];
  run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=api', ...certificate]);
  const adminToken = run('openssl', ['rand', '-hex', '16']).trim();
  writeFileSync(at('tokens.csv'), `${adminToken},admin,1,"system:masters"\n`, { mode: 0o600 });

  const peers = 'http://127.0.0.1:22380';
  program('etcd', asset('etcd'), [
    ...[`--data-dir=${at('etcd')}`, `--listen-client-urls=${etcd}`, `--advertise-client-urls=${etcd}`],
    ...[`--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`, `--initial-cluster=default=${peers}`],
    '--unsafe-no-fsync',
  ]);
  program('api', asset('kube-apiserver'), [
    ...[`--etcd-servers=${etcd}`, '--secure-port=26443', `--bind-address=${address}`, `--advertise-address=${address}`],
    ...[`--cert-dir=${at('certificates')}`, '--service-account-issuer=https://kubernetes.default.svc'],
    ...[`--service-account-key-file=${at('sa.pub')}`, `--service-account-signing-key-file=${at('sa.key')}`],
    ...['--api-audiences=https://kubernetes.default.svc', `--token-auth-file=${at('tokens.csv')}`],
    ...['--authorization-mode=RBAC', `--service-cluster-ip-range=${services}`, '--allow-privileged=true'],
    '--kubelet-preferred-address-types=InternalIP',
    ...[`--kubelet-client-certificate=${at('kubelet-client.crt')}`, `--kubelet-client-key=${at('kubelet-client.key')}`],
  ]);
  const authority = at('certificates/apiserver.crt');
  writeFileSync(at('kubeconfig'), kubeconfigOf(authority, adminToken), { mode: 0o600 });
  const kubectl = (...args) => run('kubectl', ['--kubeconfig', at('kubeconfig'), ...args]);
  await until('the API server is ready', () => kubectl('get', '--raw', '/readyz') === 'ok');

  const asAdmin = [`--kubeconfig=${at('kubeconfig')}`, '--leader-elect=false', '--secure-port=0'];
  program('controller-manager', asset('kube-controller-manager'), [
    ...asAdmin,
    ...[`--service-account-private-key-file=${at('sa.key')}`, `--root-ca-file=${authority}`],
  ]);
  program('scheduler', asset('kube-scheduler'), asAdmin);

  run('mkdir', [at('cni')]);
  writeFileSync(at('cni/10.conflist'), JSON.stringify(network(at('addresses'))));
  writeFileSync(at('containerd.toml'), containerdConfig(folder));
  program('containerd', 'containerd', ['--config', at('containerd.toml')]);
  const ctr = (...args) => run('ctr', ['--address', at('containerd.sock'), '--namespace', 'k8s.io', ...args]);
  await until('containerd answers', () => ctr('version') !== '');
  for (const archive of archives) ctr('images', 'import', '--snapshotter', 'overlayfs', archive);

  writeFileSync(at('Corefile'), corefile(at('kubeconfig')));
  program('coredns', asset('coredns'), ['-conf', at('Corefile')]);
  writeFileSync(at('kubelet.yaml'), JSON.stringify(kubeletConfig(folder)));
  program('kubelet', asset('kubelet'), [
    ...[`--kubeconfig=${at('kubeconfig')}`, `--config=${at('kubelet.yaml')}`, '--hostname-override=one'],
    ...[`--root-dir=${at('kubelet')}`, `--cert-dir=${at('kubelet-certificates')}`, `--node-ip=${address}`],
  ]);
  program('proxy', asset('kube-proxy'), [
    ...[`--kubeconfig=${at('kubeconfig')}`, '--proxy-mode=iptables', '--masquerade-all=true', `--cluster-cidr=${pods}`],
    ...[
      '--hostname-override=one',
      '--conntrack-max-per-core=0',
      '--iptables-localhost-nodeports=false',
      `--bind-address=${address}`,
    ],
    ...['--healthz-bind-address=127.0.0.1:20256', '--metrics-bind-address=127.0.0.1:20249'],
  ]);
  const ready = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
  await until('the node is ready', () => kubectl('get', 'nodes', '-o', ready) === 'True', 120_000);
}

function launch(folder, name, program, args) {
  const log = openSync(join(folder, `${name}.log`), 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: folder, detached: true });
  child.once('error', (error) => console.error(`${program}: ${error.message}`));
  return { name, child, ended: new Promise((resolve) => child.once('close', resolve)) };
}

async function until(what, holds, patienceMs = 60_000) {
  const end = performance.now() + patienceMs;
  for (let last = ''; performance.now() < end; await delay(500)) {
    try {
      if (holds()) return;
    } catch (error) {
      last = error.message;
    }
    if (performance.now() + 500 > end) throw new Error(`not after ${patienceMs / 1000} s: ${what}: ${last}`);
  }
}

/** Ends what was started, the last first, and removes what that leaves on the machine. */
async function stopAll(folder, started, forwardedBefore) {
  const clean = (work) => {
    try {
      work();
    } catch {
      // It is gone, or never was.
    }
  };
  for (const { name, child, ended } of started.reverse()) {
    if (name === 'containerd') endTasks(folder);
    child.kill('SIGTERM');
    await Promise.race([ended, delay(10_000).then(() => child.kill('SIGKILL'))]);
  }
  for (const pid of processesOf(folder)) clean(() => process.kill(pid, 'SIGKILL'));
  clean(() => run(findAsset('kube-proxy'), ['--cleanup']));
  clean(() => run('ip', ['link', 'delete', bridge]));
  clean(() => writeFileSync(forwarding, forwardedBefore));
  const mounts = readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+) /gm);
  for (const [, mount] of [...mounts].reverse())
    if (mount.startsWith(folder)) clean(() => run('umount', ['-l', mount]));
  for (const group of readdirSync('/sys/fs/cgroup')) removeGroups(join('/sys/fs/cgroup', group, 'kubepods'), clean);
  removeGroups('/sys/fs/cgroup/kubepods', clean);
  rmSync(folder, { recursive: true, force: true });
}

/** Containers outlive containerd, which is why they are ended before it. */
function endTasks(folder) {
  const ctr = (...args) => run('ctr', ['--address', join(folder, 'containerd.sock'), '--namespace', 'k8s.io', ...args]);
  try {
    for (const task of ctr('tasks', 'ls', '--quiet').split('\n').filter(Boolean))
      ctr('tasks', 'kill', '--signal', 'SIGKILL', task);
  } catch {
    // What is left of them is found by its folder.
  }
}

/** Processes that were started with, or run in, a folder: shims of containers. */
function processesOf(folder) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`) ||
          readlinkSync(`/proc/${pid}/cwd`).startsWith(`${folder}/`)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

function removeGroups(folder, clean) {
  clean(() => {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) removeGroups(join(folder, entry.name), clean);
    rmdirSync(folder);
  });
}

function kubeconfigOf(authority, token) {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'one',
    clusters: [{ name: 'one', cluster: { server: api, 'certificate-authority': authority } }],
    users: [{ name: 'one', user: { token } }],
    contexts: [{ name: 'one', context: { cluster: 'one', user: 'one' } }],
  });
}

function network(addresses) {
  const range = { subnet: pods, rangeStart: '10.231.0.10', gateway: address };
  const ipam = { type: 'host-local', ranges: [[range]], dataDir: addresses, routes: [{ dst: '0.0.0.0/0' }] };
  const plugin = { type: 'bridge', bridge, isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return { cniVersion: '0.4.0', name: 'kubernaut', plugins: [plugin] };
}

function containerdConfig(folder) {
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "${images.pause.name}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        SystemdCgroup = false
`;
}

function kubeletConfig(folder) {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // Of this machine it is to change no more than it must.
    makeIPTablesUtilChains: false,
    evictionHard: { 'memory.available': '10Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    containerRuntimeEndpoint: `unix://${folder}/containerd.sock`,
    clusterDNS: [address],
    clusterDomain: 'cluster.local',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: join(folder, 'kubelet-client.crt') },
    },
    authorization: { mode: 'AlwaysAllow' },
    address,
    readOnlyPort: 0,
    healthzPort: 0,
    resolvConf: '/etc/resolv.conf',
  };
}

function corefile(kubeconfig) {
  return `cluster.local:53 {
  bind ${address}
  kubernetes cluster.local {
    kubeconfig ${kubeconfig}
  }
}
`;
}
