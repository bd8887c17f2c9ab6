import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterAdmin, namespace } from '../support/cluster-admin';
import { eventually } from '../support/eventually';
import { chart, helm, helmBinary, one, rendered } from '../support/helm';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
import { RunningProcess } from '../support/process';
import { RedisServer } from '../support/redis-server';
// Runs kubectl, which its own function gives no credentials.
import '../support/kubectl';
import { postWebhook } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const project = join(__dirname, '../..');
const place = 'kubernaut-system';
const values = {
  bundledRedis: { enabled: true },
  senders: [{ kind: 'ServiceAccount', name: 'alertmanager', namespace: 'monitoring' }],
};

/** What helm install leaves in a cluster, and a gateway with just that: no kubelet is here, so the process is started by hand. */
describe('helm', () => {
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let kubeconfig: string;
  let directory: string;
  beforeAll(async () => {
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    kubeconfig = server.kubeconfig(server.adminToken);
    directory = mkdtempSync(join(tmpdir(), 'chart-install-'));
    await admin.create(namespace('monitoring'), namespace('prod', { environment: 'production' }));
    await admin.create({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'alertmanager', namespace: 'monitoring' },
    });
  }, 90_000);
  afterAll(async () => {
    await admin.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  const inCluster = (...args: readonly string[]) => [...args, '--kubeconfig', kubeconfig, '--namespace', place];

  it('installs all that a gateway needs: it becomes ready with its own account, and takes what a sender of the values sends', async () => {
    const notes = helm(inCluster('install', 'gateway', chart, '--create-namespace'), values);
    expect(notes).toContain('http://gateway-service.kubernaut-system.svc:8080/api/v1/signals/prometheus');

    const configMap = `/api/v1/namespaces/${place}/configmaps/kubernaut-config`;
    const { data } = await admin.call<{ data: Record<string, string> }>('GET', configMap);
    const config = join(directory, 'config.yaml');
    writeFileSync(config, data['config.yaml'] ?? '');
    expect(data['config.yaml']).toContain('addr: gateway-service-redis:6379');
    // Started as the chart has it started.
    const { args } = one(rendered(values), 'Deployment', 'gateway-service-redis').spec.template.spec.containers[0];
    const redis = await RedisServer.start({ settings: settingsOf(args as string[]) });
    const gateway = await RunningProcess.start('node', ['dist/main.js'], {
      env: {
        GATEWAY_CONFIG_FILE: config,
        GATEWAY_KUBERNETES__KUBECONFIG: server.kubeconfig(await admin.token(place, 'gateway-sa'), place),
        // Names of a cluster are good for nothing here.
        REDIS_ADDR: redis.addr,
        GATEWAY_SERVER__LISTEN_ADDR: '127.0.0.1:0',
        GATEWAY_METRICS__LISTEN_ADDR: '127.0.0.1:0',
        GATEWAY_SERVER__SHUTDOWN_DELAY: '0s',
      },
    });
    try {
      const [, url = ''] = await gateway.printed(/gateway listening on (http:\S+)/);
      await eventually(async () => {
        const ready = (await (await fetch(`${url}/ready`)).json()) as object;
        expect(ready).toMatchObject({
          status: 'ok',
          details: { kubernetes: { status: 'up' }, redis: { status: 'up' } },
        });
      }, 30_000);
      // Until the first lists are there /ready answers 503, and the line of that answer is a warning.
      const complaints = gateway.output
        .split('\n')
        .filter((line) => /"level":"(warn|error|fatal)"/.test(line) && !line.includes('"route":"/ready"'));
      expect(complaints).toEqual([]);
      const token = await admin.token('monitoring', 'alertmanager', ['kubernaut-gateway']);
      const alert = webhook(firing({ alertname: 'Installed', namespace: 'prod', pod: 'a' }));
      expect(await postWebhook(url, alert, token)).toMatchObject({ status: 201, body: { environment: 'production' } });
      expect(await gateway.stop()).toBe(0);
    } finally {
      await gateway.stop('SIGKILL');
      await redis.stop();
    }
  }, 60_000);

  it('upgrades to other values, and removes all but the CRD and the requests', async () => {
    helm(inCluster('upgrade', 'gateway', chart), {
      ...values,
      replicaCount: 3,
      serviceAccount: { annotations: { a: 'b' } },
    });
    const read = <T>(path: string) => admin.call<T>('GET', path);
    const deployments = `/apis/apps/v1/namespaces/${place}/deployments`;
    expect(await read(`${deployments}/gateway-service`)).toMatchObject({ spec: { replicas: 3 } });
    helm(inCluster('uninstall', 'gateway'));
    expect(await read(deployments)).toMatchObject({ items: [] });
    const { items } = await read<{ items: { metadata: { name: string } }[] }>(
      '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    );
    expect(items.filter(({ metadata }) => metadata.name.startsWith('gateway-'))).toEqual([]);
    expect(await read('/apis/remediation.kubernaut.io/v1/remediationrequests')).toMatchObject({
      items: [{ spec: { alertName: 'Installed' } }],
    });
  }, 60_000);

  it('does what docs/installation.md shows, each command as it stands there', async () => {
    const page = readFileSync(join(project, 'docs/installation.md'), 'utf8');
    const commands = [...page.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, text = '']) => text);
    expect(commands.length).toBeGreaterThan(4);
    await admin.create(namespace('shop'));
    const ownFolder = join(directory, 'checkout');
    mkdirSync(ownFolder);
    symlinkSync(join(project, 'charts'), join(ownFolder, 'charts'));
    writeFileSync(join(ownFolder, 'helm'), `#!/bin/sh\nexec ${helmBinary()} "$@"\n`, { mode: 0o755 });
    const env = {
      PATH: `${ownFolder}:${process.env.PATH}`,
      HOME: ownFolder,
      KUBECONFIG: kubeconfig,
      REDIS_PASSWORD: 'a-password',
    };
    let allowed = '';
    for (const text of commands) {
      const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
        cwd: ownFolder,
        env,
        encoding: 'utf8',
      });
      if (text.includes('SubjectAccessReview')) allowed = stdout;
      if (status !== 0) throw new Error(`${text}\nended with ${status}:\n${stdout}${stderr}`);
    }
    expect(allowed).toBe('true\n');
    expect(readFileSync(join(ownFolder, 'token'), 'utf8')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\s*$/);
    const secret = await admin.call<{ data: object }>('GET', `/api/v1/namespaces/${place}/secrets/redis-credentials`);
    expect(secret.data).toEqual({ password: Buffer.from('a-password').toString('base64') });
  }, 60_000);
});

/** `--name value` as settings. */
function settingsOf(args: readonly string[]): Record<string, string> {
  const names = args.filter((_, i) => i % 2 === 0);
  return Object.fromEntries(names.map((name, i) => [name.replace('--', ''), args[2 * i + 1] ?? '']));
}
