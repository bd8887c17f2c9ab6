import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
// One of the commands makes a secret by it.
import '../support/certificates';
import { ClusterAdmin, namespace, type ClusterObject } from '../support/cluster-admin';
import { eventually } from '../support/eventually';
import { chart, helm, helmBinary } from '../support/helm';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
// Runs kubectl, which its own function gives no credentials.
import '../support/kubectl';
import { postWebhook } from '../support/sender';
import { silentLogger } from '../support/test-gateway';
import { firing, webhook } from '../support/webhook';

const project = join(__dirname, '../..');
const place = 'kubernaut-system';
const audience = 'kubernaut-gateway';
/** The API server itself believes a token for 10 s. */
const patienceMs = 30_000;
const response = readFileSync(join(project, 'docs/incident-response.md'), 'utf8');

/** The commands under a heading, without those that need nodes. */
function commandsOf(heading: string): string[] {
  const text = response.split('\n## ').find((section) => section.startsWith(`${heading}\n`)) ?? '';
  return [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, commands = '']) => commands);
}

/** Every text of the sources, for what the log and the metrics are asked for. */
function sources(): string {
  return readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => readFileSync(join(project, 'src', file), 'utf8'))
    .join('\n');
}

describe('docs/incident-response.md', () => {
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let gateway: Gateway;
  let directory: string;
  beforeAll(async () => {
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    directory = mkdtempSync(join(tmpdir(), 'incident-response-'));
    await admin.create(
      ...['monitoring', 'shop', 'prod'].map((name) => namespace(name)),
      account('monitoring'),
      account('shop'),
    );
    const kubeconfig = server.kubeconfig(server.adminToken);
    const senders = [
      { kind: 'ServiceAccount', name: 'alertmanager', namespace: 'monitoring' },
      { kind: 'ServiceAccount', name: 'alertmanager', namespace: 'shop', namespaces: ['shop'] },
      { kind: 'User', name: 'grafana' },
    ];
    const config = { adapters: { grafana: { enabled: true, hmac: { secret: '${GRAFANA_HMAC_SECRET}' } } } };
    helm(['install', 'gateway', chart, '--create-namespace', '--namespace', place, '--kubeconfig', kubeconfig], {
      senders,
      config,
      grafanaHmac: { secretName: 'grafana-hmac' },
    });
    symlinkSync(join(project, 'charts'), join(directory, 'charts'));
    writeFileSync(join(directory, 'helm'), `#!/bin/sh\nexec ${helmBinary()} "$@"\n`, { mode: 0o755 });
    gateway = await startGateway({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
          metrics: { enabled: false },
          redis: { addr: '' },
          // Nobody restarts it here.
          auth: { token_cache_ttl: '1s', failure_cache_ttl: '1s', allowed_cache_ttl: '1s', denied_cache_ttl: '1s' },
          kubernetes: { kubeconfig },
        },
      }),
      logger: silentLogger(),
    });
    await eventually(async () => expect((await fetch(`${gateway.url}/ready`)).status).toBe(200), 30_000);
  }, 90_000);
  afterAll(async () => {
    await gateway.close();
    helm(['uninstall', 'gateway', '--namespace', place, '--kubeconfig', server.kubeconfig(server.adminToken)]);
    await admin.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  /** Runs what stands under a heading, as it stands there, and answers what it printed. */
  async function respondTo(heading: string): Promise<string> {
    const commands = commandsOf(heading);
    expect(commands).not.toEqual([]);
    const env = {
      PATH: `${directory}:${process.env.PATH}`,
      HOME: directory,
      KUBECONFIG: server.kubeconfig(server.adminToken),
      NEW_REDIS_PASSWORD: 'another',
    };
    let printed = '';
    for (const text of commands) {
      // A restart is a time in seconds: two of them in one second are refused.
      await delay(1_100);
      const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
        cwd: directory,
        env,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`${text}\nended with ${status}:\n${stdout}${stderr}`);
      printed += stdout;
    }
    return printed;
  }
  const send = async (token: string, where: string, alertname: string) =>
    (await postWebhook(gateway.url, webhook(firing({ alertname, namespace: where, pod: 'a' })), token)).status;
  const tokenOf = (where: string, name = 'alertmanager') => admin.token(where, name, [audience]);
  const configFile = async () => {
    const path = `/api/v1/namespaces/${place}/configmaps/kubernaut-config`;
    return (await admin.call<{ data: Record<string, string> }>('GET', path)).data['config.yaml'];
  };
  const secretOf = async (name: string, key: string) => {
    const path = `/api/v1/namespaces/${place}/secrets/${name}`;
    const { data } = await admin.call<{ data: Record<string, string> }>('GET', path);
    return Buffer.from(data[key] ?? '', 'base64').toString();
  };

  it('ends a token that leaked, and lets the sender in by its next one', async () => {
    const leaked = await tokenOf('monitoring');
    expect(await send(leaked, 'prod', 'Leaked')).toBe(201);
    await respondTo("A sender's token leaked");
    await eventually(async () => expect(await send(leaked, 'prod', 'Leaked')).toBe(401), patienceMs);
    expect(await send(await tokenOf('monitoring'), 'prod', 'Renewed')).toBe(201);
    const deployment = await admin.call<Deployment>(
      'GET',
      `/apis/apps/v1/namespaces/${place}/deployments/gateway-service`,
    );
    expect(deployment.spec.template.metadata.annotations).toHaveProperty(['kubectl.kubernetes.io/restartedAt']);
  }, 60_000);

  it('takes a binding away', async () => {
    const token = await tokenOf('shop');
    expect(await send(token, 'shop', 'Abused')).toBe(201);
    const printed = await respondTo('A binding of a namespace is abused');
    expect(printed).toMatch(/^RoleBinding +shop +gateway-signal-sender:serviceaccount:shop:alertmanager/m);
    expect(printed).toMatch(/^ClusterRoleBinding .* alertmanager$/m);
    expect(printed).toMatch(/^false$/m);
    await eventually(async () => expect(await send(token, 'shop', 'Abused')).toBe(403));
  }, 60_000);

  it("ends the tokens of the gateway's own account, which is there again", async () => {
    const review = async (token: string) => {
      const path = '/apis/authentication.k8s.io/v1/tokenreviews';
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
      return (await admin.call<{ status: { authenticated?: boolean } }>('POST', path, body)).status.authenticated;
    };
    const leaked = await admin.token(place, 'gateway-sa');
    expect(await review(leaked)).toBe(true);
    await respondTo("The gateway's own ServiceAccount leaked");
    await eventually(async () => expect(await review(leaked)).not.toBe(true), patienceMs);
    expect(await review(await admin.token(place, 'gateway-sa'))).toBe(true);
  }, 60_000);

  it('does without Redis, and goes back to it with another password', async () => {
    const [without = ''] = commandsOf('Redis is compromised');
    expect(without).toMatch(/config\.redis\.addr=$/m);
    await respondTo('Redis is compromised');
    expect(await configFile()).toContain('addr: redis:6379');
    expect(await secretOf('redis-credentials', 'password')).toBe('another');
  }, 60_000);

  it('changes the HMAC secret, and gives the right to send back only after that', async () => {
    const binding = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/gateway-signal-sender:user:grafana';
    await respondTo('The HMAC secret leaked');
    expect(await secretOf('grafana-hmac', 'secret')).toMatch(/^[0-9a-f]{64}$/);
    await expect(admin.call('GET', binding)).resolves.toBeDefined();
  }, 60_000);

  it('bounds a flood, and removes what it left', async () => {
    const token = await tokenOf('monitoring');
    expect([await send(token, 'prod', 'Flood'), await send(token, 'prod', 'Genuine')]).toEqual([201, 201]);
    expect(await respondTo('A flood')).toMatch(/"remediation-flood-\w+" deleted/);
    const { items } = await admin.call<{ items: { spec: { alertName: string } }[] }>(
      'GET',
      '/apis/remediation.kubernaut.io/v1/namespaces/prod/remediationrequests',
    );
    const left = items.map(({ spec }) => spec.alertName);
    expect([left.includes('Flood'), left.includes('Genuine')]).toEqual([false, true]);
    expect(await configFile()).toContain('per_namespace: 60');
  }, 60_000);

  it('asks for metrics and lines of the log that there are', () => {
    const code = sources();
    const metrics = readFileSync(join(project, 'docs/metrics.md'), 'utf8');
    const named = [...response.matchAll(/\bgateway_\w+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => !metrics.includes(`\`${name}\``))).toEqual([]);
    const asked = [...response.matchAll(/^\$ logs.*$/gm)].flatMap(([line]) =>
      [...line.matchAll(/grep (?:-\w+ )?'([^']+)'/g)].flatMap(([, pattern = '']) => pattern.split(/[|()":]+/)),
    );
    const words = asked.filter((word) => /^[a-z_]+( [a-z]+)*$/.test(word) && word !== 'system');
    expect(words).toEqual(expect.arrayContaining(['signal processed', 'authorization failed', 'client_ip', 'caller']));
    expect(
      words.filter((word) => !['serviceaccount', 'monitoring', 'alertmanager'].includes(word) && !code.includes(word)),
    ).toEqual([]);
  });
});

interface Deployment {
  readonly spec: { readonly template: { readonly metadata: { readonly annotations: object } } };
}

function account(where: string): ClusterObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'alertmanager', namespace: where } };
}
