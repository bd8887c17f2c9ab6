import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, request } from 'undici';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { RunningProcess } from './process';

/** A real Kubernetes API server: RBAC on, service account tokens, nothing installed. */
export interface KubeApiServer {
  readonly url: string;
  /** PEM of what signed its certificate. */
  readonly ca: string;
  /** Of an administrator: for the harness alone, never for a gateway. */
  readonly adminToken: string;
  /** Writes a kubeconfig for a bearer of this token and answers its path. */
  kubeconfig(token: string, namespace?: string): string;
  close(): Promise<void>;
}

export const ownAudience = 'https://kubernetes.default.svc';
const adminToken = 'the-administrators-token';

/**
 * Starts kube-apiserver and etcd on loopback, each on a free port and in a temporary folder. They are taken from
 * KUBEBUILDER_ASSETS, from where the project's scripts build them, or from the PATH. With USE_EXISTING_CLUSTER=true the
 * cluster that KUBECONFIG names is used in their place: one of its own, for specs install and delete the CRD and roles there.
 */
export async function startKubeApiServer(): Promise<KubeApiServer> {
  const directory = mkdtempSync(join(tmpdir(), 'kube-apiserver-'));
  if (process.env.USE_EXISTING_CLUSTER === 'true') return existingCluster(directory);

  const [clientPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const etcd = await RunningProcess.start(asset('etcd'), [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    '--unsafe-no-fsync',
  ]);

  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(join(directory, 'sa.pub'), publicKey);
  writeFileSync(join(directory, 'sa.key'), privateKey);
  writeFileSync(join(directory, 'tokens.csv'), `${adminToken},admin,1,"system:masters"\n`);
  const server = await RunningProcess.start(asset('kube-apiserver'), [
    `--etcd-servers=${etcdUrl}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    `--cert-dir=${directory}`,
    `--service-account-issuer=${ownAudience}`,
    `--service-account-key-file=${join(directory, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
    `--api-audiences=${ownAudience}`,
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.0.0.0/24',
    // It wants every pod's account to exist already, and there is no controller here that makes one.
    '--disable-admission-plugins=ServiceAccount',
    '--watch-cache=true',
    '--v=0',
  ]);
  const url = `https://127.0.0.1:${port}`;
  const close = async () => {
    await server.stop('SIGKILL');
    await etcd.stop('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const ca = await eventually(() => wholeChain(join(directory, 'apiserver.crt')), 30_000);
    await untilReady(url, ca);
    return { url, ca, adminToken, kubeconfig: writerOf(directory, url, ca), close };
  } catch (error) {
    await close();
    throw new Error(`kube-apiserver did not become ready:\n${server.output.slice(-4000)}`, { cause: error });
  }
}

/** Its certificate and the authority's, which the server writes when it starts: the file is there before all of it is. */
function wholeChain(file: string): string {
  const chain = readFileSync(file, 'utf8');
  if (chain.split('END CERTIFICATE').length < 3) throw new Error('the certificate is being written');
  return chain;
}

/** An administrator's token there is that of a service account, whatever credentials the kubeconfig has. */
async function existingCluster(directory: string): Promise<KubeApiServer> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  const ca = cluster?.caFile
    ? readFileSync(cluster.caFile, 'utf8')
    : Buffer.from(cluster?.caData ?? '', 'base64').toString();
  const account = `gateway-tests-${Date.now()}`;
  const kubectl = async (...args: string[]) => (await promisify(execFile)('kubectl', args)).stdout.trim();
  await kubectl('-n', 'default', 'create', 'serviceaccount', account);
  await kubectl(
    'create',
    'clusterrolebinding',
    account,
    '--clusterrole=cluster-admin',
    `--serviceaccount=default:${account}`,
  );
  const url = cluster?.server ?? '';
  return {
    url,
    ca,
    adminToken: await kubectl('-n', 'default', 'create', 'token', account, '--duration=2h'),
    kubeconfig: writerOf(directory, url, ca),
    async close() {
      await kubectl('delete', 'clusterrolebinding', account);
      await kubectl('-n', 'default', 'delete', 'serviceaccount', account);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function writerOf(directory: string, server: string, ca: string): KubeApiServer['kubeconfig'] {
  let written = 0;
  return (token, namespace) => {
    const file = join(directory, `kubeconfig-${++written}`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [
        { name: 'test', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
      ],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', ...(namespace ? { namespace } : {}) } }],
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  };
}

async function untilReady(url: string, ca: string): Promise<void> {
  const dispatcher = new Agent({ connect: { ca } });
  try {
    await eventually(async () => {
      const { statusCode, body } = await request(`${url}/readyz`, {
        dispatcher,
        headers: { authorization: `Bearer ${adminToken}` },
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(text);
    }, 60_000);
  } finally {
    await dispatcher.close();
  }
}

/** As scripts/lib/go-tools.mjs, which builds what is absent. */
function asset(program: string): string {
  const module = readFileSync(join(__dirname, '../../tools/kubernetes/go.mod'), 'utf8');
  const version = /k8s\.io\/kubernetes v([\d.]+)/.exec(module)?.[1] ?? '';
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folders = [process.env.KUBEBUILDER_ASSETS, join(cache, 'kubernaut-gateway', `kube-apiserver-${version}`)];
  return folders.map((folder) => join(folder ?? '', program)).find((file) => existsSync(file)) ?? program;
}
