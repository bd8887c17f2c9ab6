import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import { lineContext } from '../../src/http/request-scope';
import { ClusterAdmin, crdFile, manifests, namespace, type ClusterObject } from '../support/cluster-admin';
import { blockNamed, sectionsOf, type Block } from '../support/document';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { freePort } from '../support/free-port';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
// Runs kubectl, which its own function gives no credentials.
import '../support/kubectl';
import { RedisServer } from '../support/redis-server';
import { postWebhook } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const audience = 'kubernaut-gateway';
const rbac = 'rbac.authorization.k8s.io';
const requestsPath = '/apis/remediation.kubernaut.io/v1';
const secret = 'a secret that both sides know';
const alertmanager = { namespace: 'monitoring', name: 'alertmanager' };
const team = { namespace: 'shop', name: 'alertmanager' };
const patienceMs = 30_000;

/** A state that a section of the document is about. */
interface Trouble {
  readonly section: string;
  readonly settings?: () => Record<string, object>;
  /** Brings the gateway there. */
  readonly bring: () => Promise<unknown>;
  /** What comes before the second command and its output. */
  readonly then?: () => Promise<unknown>;
  readonly end?: () => Promise<unknown>;
}

/** Each section of the document: the gateway is brought into its state, and its commands print what it says. */
describe('docs/troubleshooting.md', () => {
  const sections = sectionsOf('docs/troubleshooting.md');
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let redis: RedisServer;
  /** Between the gateway and the API server. */
  let api: FaultyApi;
  let gateway: Gateway;
  let directory: string;
  let log: string;
  let token: string;
  let kubeconfig: string;
  let ownToken: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'troubleshooting-'));
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    redis = await RedisServer.start();
    api = await FaultyApi.start(server.url, server.ca);
    await admin.create(
      ...['kubernaut-system', 'monitoring', 'shop', 'bank', 'full'].map((name) => namespace(name)),
      ...manifests(crdFile),
      ...manifests('docs/rbac.yaml'),
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: alertmanager },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: team },
      bindingOf('ClusterRoleBinding', { name: 'alertmanager' }, { kind: 'ServiceAccount', ...alertmanager }),
      bindingOf('ClusterRoleBinding', { name: 'grafana' }, { kind: 'User', name: 'grafana' }),
      bindingOf('RoleBinding', { name: 'team', namespace: 'shop' }, { kind: 'ServiceAccount', ...team }),
    );
    token = await admin.token(alertmanager.namespace, alertmanager.name, [audience]);
    ownToken = await admin.token('kubernaut-system', 'gateway-sa');
    kubeconfig = server.kubeconfig(server.adminToken);
  }, 90_000);
  afterAll(async () => {
    await api.close();
    await redis.stop();
    await admin.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  let started = 0;
  const start = async (settings: Record<string, object> = {}) => {
    log = join(directory, `gateway-${++started}.log`);
    const cluster = { server: api.url };
    const own = join(directory, `kubeconfig-${started}`);
    writeKubeconfig(own, cluster, ownToken);
    gateway = await startGateway({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s', ...settings.server },
          metrics: { listen_addr: '127.0.0.1:0' },
          redis: { addr: '' },
          kubernetes: { kubeconfig: own },
          auth: { denied_cache_ttl: '1s' },
          ...Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'server')),
        },
      }),
      logger: pino(
        { mixin: () => ({ ...lineContext()?.fields }), formatters: { level: (label) => ({ level: label }) } },
        pino.destination({ dest: log, sync: true }),
      ),
    });
  };
  const post = (alertname: string, { place = 'shop', pod = 'a', by = token } = {}) =>
    postWebhook(gateway.url, webhook(firing({ alertname, namespace: place, pod })), by);
  const ready = async () => (await fetch(`${gateway.url}/ready`)).text();
  const run = (script: string) =>
    new Promise<string>((resolve) => {
      const env = {
        ...process.env,
        HOME: directory,
        GATEWAY: gateway.url,
        METRICS: gateway.metricsUrl,
        LOG: log,
        TOKEN: token,
        KUBECONFIG: kubeconfig,
        GRAFANA_HMAC_SECRET: secret,
      };
      const tools = blockNamed(sections.get('') ?? [], 'tools.sh');
      // grep that finds nothing and kubectl that says no end with 1; what they print is what counts.
      execFile('sh', ['-c', tools + script], { env }, (_, stdout) => resolve(stdout));
    });
  const role = manifests('docs/rbac.yaml').find(({ kind }) => kind === 'ClusterRole') as ClusterObject & {
    rules: { resources: string[]; verbs: string[] }[];
  };
  const [crd] = manifests(crdFile) as [OldableCrd];
  const quota: ClusterObject = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'requests', namespace: 'full' },
  };

  const troubles: readonly Trouble[] = [
    {
      section: 'Nothing is created',
      async bring() {
        await postWebhook(gateway.url, webhook(), token, '/api/v1/alerts');
        await postWebhook(gateway.url, webhook(firing({ severity: 'critical' })), token);
        const event = { metadata: {}, involvedObject: { kind: 'Pod', name: 'a', namespace: 'shop' }, reason: 'Pulled' };
        await postWebhook(gateway.url, { ...event, type: 'Normal' }, token, '/api/v1/signals/kubernetes-event');
      },
    },
    {
      section: 'One incident has several requests',
      settings: () => ({ deduplication: { ttl: '2s', cooldown: '1s' } }),
      async bring() {
        const { body } = await post('Repeated', { pod: 'api-1' });
        await post('Repeated', { pod: 'api-1' });
        await post('Repeated', { pod: 'api-2' });
        const name = body.remediation_request_name as string;
        await admin.call(
          'PATCH',
          `${requestsPath}/namespaces/shop/remediationrequests/${name}/status`,
          { status: { overallPhase: 'Completed', completionTime: new Date(Date.now() - 60_000).toISOString() } },
          'application/merge-patch+json',
        );
        await eventually(async () => expect((await post('Repeated', { pod: 'api-1' })).status).toBe(201));
      },
    },
    {
      section: 'A storm is not detected',
      async bring() {
        for (let i = 0; i < 5; i++) await post('Lone', { pod: `pod-${i}` });
      },
      async then() {
        for (let i = 0; i < 8; i++) await post('Many', { pod: `pod-${i}` });
      },
    },
    {
      section: '401: a sender is not let in',
      async bring() {
        token = await admin.token(alertmanager.namespace, alertmanager.name);
        await post('WrongAudience');
      },
      async end() {
        token = await admin.token(alertmanager.namespace, alertmanager.name, [audience]);
      },
    },
    {
      section: '403: a sender may not send for a namespace',
      async bring() {
        await post('NotForThem', { place: 'bank', by: await admin.token(team.namespace, team.name, [audience]) });
      },
    },
    {
      section: '429 and 503: a limit',
      settings: () => ({ rate_limit: { requests_per_minute: 1, burst: 1, per_namespace: 1 } }),
      async bring() {
        for (const name of ['One', 'Two', 'Three']) await post(name);
        for (let i = 0; i < 3; i++) await post('Tried', { by: `tried-${i}` });
      },
    },
    {
      section: '413: a webhook is too large',
      settings: () => ({ server: { max_body_bytes: 2048 } }),
      bring: () => post('a'.repeat(3000)),
    },
    {
      section: 'Redis is away',
      settings: () => ({ redis: { addr: redis.addr } }),
      async bring() {
        await eventually(async () => expect(await ready()).toContain('"redis":{"status":"up"}'));
        await redis.stop();
        await eventually(async () => expect(await ready()).toContain('"status":"degraded"'));
      },
    },
    {
      section: 'The API server is away',
      async bring() {
        await post('TokenIsKnown');
        await api.down();
      },
      end: () => api.up(),
    },
    {
      section: 'A namespace takes no requests',
      async bring() {
        const hard = { 'count/remediationrequests.remediation.kubernaut.io': '0' };
        await admin.create({ ...quota, spec: { hard } } as ClusterObject, namespace('leaving'));
        await admin.patch(quota, { status: { hard, used: hard } }, '/status');
        await admin.delete(namespace('leaving'));
      },
    },
    {
      section: 'Priorities are not those of the policy',
      settings: () => ({ priority: { opa_url: `http://127.0.0.1:${nobody}` } }),
      bring: () => post('NotByPolicy'),
    },
    {
      section: 'Events of the cluster do not come',
      settings: () => ({ adapters: { kubernetes_event: { watch: true } } }),
      bring: () => Promise.resolve(),
    },
    {
      section: "Grafana's signature is refused",
      settings: () => ({ adapters: { grafana: { enabled: true, hmac: { secret } } } }),
      bring: () =>
        fetch(`${gateway.url}/api/v1/signals/grafana`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-grafana-alerting-signature': 'a'.repeat(64) },
          body: '{}',
        }),
    },
    {
      section: 'The gateway lacks a permission',
      bring: () =>
        admin.patch(role, {
          rules: role.rules.map((rule) =>
            rule.resources[0] === 'remediationrequests' ? { ...rule, verbs: ['get', 'list', 'watch'] } : rule,
          ),
        }),
      end: () => admin.patch(role, { rules: role.rules }),
    },
    {
      section: 'The CRD is too old',
      async bring() {
        const [version] = crd.spec.versions;
        const { generation: _, ...older } = version.schema.openAPIV3Schema.properties.spec.properties;
        const schema = structuredClone(version.schema);
        schema.openAPIV3Schema.properties.spec.properties = older;
        await admin.patch(crd, { spec: { versions: [{ ...version, schema }] } });
      },
      end: () => admin.patch(crd, { spec: crd.spec }),
    },
    { section: 'The CRD is missing', bring: () => admin.delete(crd) },
  ];
  let nobody: number;
  beforeAll(async () => void (nobody = await freePort()));

  it('has no section that is not tried', () => {
    const withCommands = [...sections].filter(([, blocks]) => blocks.some(({ language }) => language === 'text'));
    expect(withCommands.map(([heading]) => heading).sort()).toEqual(troubles.map(({ section }) => section).sort());
  });

  it.each(troubles)(
    '$section: the commands show it',
    async ({ section, settings, bring, then, end }) => {
      await start(settings?.());
      try {
        // Degraded serves, as without the rights to watch events.
        await eventually(async () => expect(await ready()).toMatch(/^{"status":"(ok|degraded)"/), patienceMs);
        await bring();
        const pairs = outputsOf(sections.get(section) ?? []);
        expect(pairs).not.toHaveLength(0);
        for (const [i, { script, lines }] of pairs.entries()) {
          if (i === pairs.length - 1) await then?.();
          await eventually(async () => {
            const printed = (await run(script)).split('\n').map((line) => line.trim());
            for (const line of lines) expect(printed).toContainEqual(expect.stringMatching(patternOf(line)));
          }, patienceMs);
        }
      } finally {
        await gateway.close();
        await end?.();
      }
    },
    90_000,
  );
});

interface OldableCrd extends ClusterObject {
  readonly spec: {
    readonly versions: readonly [
      { schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } } },
    ];
  };
}

interface Output {
  readonly script: string;
  readonly lines: readonly string[];
}

/** The commands of a section, each with the lines that it prints. */
function outputsOf(blocks: readonly Block[]): Output[] {
  return blocks.flatMap(({ language, text }, i) => {
    const printed = blocks[i + 1];
    if (language !== 'sh' || printed?.language !== 'text') return [];
    return [{ script: text, lines: printed.text.trim().split('\n') }];
  });
}

/** As wide as columns happen to be, and anything for `…`. */
function patternOf(line: string): RegExp {
  const literally = line.trim().replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  return new RegExp(`^${literally.replace(/\s+/g, String.raw`\s+`).replace(/…/g, '.*')}$`);
}

/** As in a pod, its own token. */
function writeKubeconfig(file: string, cluster: object, token: string): void {
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'kubernaut-system' } }],
    'current-context': 'x',
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
}

function bindingOf(kind: string, metadata: object, subject: object): ClusterObject {
  return {
    apiVersion: `${rbac}/v1`,
    kind,
    metadata,
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'gateway-signal-sender' },
    subjects: [subject],
  } as ClusterObject;
}
