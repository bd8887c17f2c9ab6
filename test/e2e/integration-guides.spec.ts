import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import { Alertmanager } from '../support/alertmanager';
import { ClusterAdmin, crdFile, manifests, namespace, type ClusterObject } from '../support/cluster-admin';
import { blockNamed, blocksOf } from '../support/document';
import { eventually } from '../support/eventually';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
import { prometheusOperatorCrds } from '../support/foreign-crds';
import { postWebhook } from '../support/sender';
import { silentLogger } from '../support/test-gateway';
import { firing, webhook } from '../support/webhook';

const audience = 'kubernaut-gateway';
const requestsPath = '/apis/remediation.kubernaut.io/v1/remediationrequests';
const eventsPath = '/api/v1/signals/kubernetes-event';
const service = 'http://gateway-service.kubernaut-system.svc.cluster.local:8080';
const guide = (name: string) => blocksOf(`docs/integrations/${name}.md`);
const blockOf = (name: string, block: string) => blockNamed(guide(name), block);
const objectsOf = (name: string, block: string) =>
  parseAllDocuments(blockOf(name, block)).map((document) => document.toJS() as ClusterObject);

/** The guides of docs/integrations, done as they say: in a real cluster, with a real Alertmanager. */
describe('the guide of', () => {
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let gateway: Gateway;

  beforeAll(async () => {
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    await admin.create(
      ...['kubernaut-system', 'monitoring', 'shop', 'prod'].map((name) => namespace(name)),
      ...manifests(crdFile),
      ...manifests('docs/rbac.yaml'),
      ...['alertmanager', 'kps-kube-prometheus-stack-alertmanager', 'event-exporter'].map((name) =>
        account('monitoring', name),
      ),
      account('shop', 'alertmanager'),
    );
    gateway = await startGateway({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
          metrics: { enabled: false },
          redis: { addr: '' },
          storm_detection: { enabled: false },
          auth: { denied_cache_ttl: '1s' },
          kubernetes: { kubeconfig: server.kubeconfig(server.adminToken) },
        },
      }),
      logger: silentLogger(),
    });
    await eventually(async () => expect((await fetch(`${gateway.url}/ready`)).status).toBe(200));
  }, 90_000);
  afterAll(async () => {
    await gateway.close();
    await admin.close();
    await server.close();
  });

  /** What the API server says to an object, with every field checked, without keeping it. */
  const tryOut = (path: string, object: object) =>
    admin.call('POST', `${path}?dryRun=All&fieldValidation=Strict`, object);
  const requestsOf = async (alertname: string) => {
    const { items } = await admin.call<{ items: RemediationRequest[] }>('GET', requestsPath);
    return items.filter(({ spec }) => spec.alertName === alertname);
  };
  const send = (token: string, place: string, alertname: string) =>
    postWebhook(gateway.url, webhook(firing({ alertname, namespace: place, pod: 'a' })), token);

  it.each([
    ['alertmanager', 'monitoring', 'alertmanager'],
    ['kube-prometheus-stack', 'monitoring', 'kps-kube-prometheus-stack-alertmanager'],
    ['kubernetes-event-exporter', 'monitoring', 'event-exporter'],
  ])('%s gives its account what it needs, and a token for another audience nothing', async (name, place, sender) => {
    const token = await admin.token(place, sender, [audience]);
    expect((await send(token, 'prod', `before-${name}`)).status).toBe(403);
    const [binding] = objectsOf(name, 'rbac.yaml');
    // Each guide has one of this name.
    await admin.create({ ...binding!, metadata: { ...binding!.metadata, name: `of-${name}` } });
    await eventually(async () => expect((await send(token, 'prod', `after-${name}`)).status).toBe(201));
    const elsewhere = await admin.token(place, sender, ['somebody-else']);
    expect((await send(elsewhere, 'prod', `elsewhere-${name}`)).status).toBe(401);
  });

  it.each([
    ['alertmanager', 'rbac-namespaced.yaml', 'alertmanager'],
    ['alertmanager-config', 'team.yaml', 'shop-alerts'],
  ])("%s gives a team's account its own namespace, and no other", async (name, block, sender) => {
    await admin.create(...objectsOf(name, block));
    const token = await admin.token('shop', sender, [audience]);
    await eventually(async () => expect((await send(token, 'shop', `shop-${name}`)).status).toBe(201));
    expect((await send(token, 'prod', `prod-${name}`)).status).toBe(403);
  });

  it('alertmanager has a pod that the API server takes', async () => {
    const pod = parse(blockOf('alertmanager', 'pod.yaml')) as ClusterObject;
    await expect(tryOut('/api/v1/namespaces/monitoring/pods', pod)).resolves.toBeDefined();
  });

  it.each([
    ['alertmanager', (): string => blockOf('alertmanager', 'alertmanager.yml')],
    [
      'kube-prometheus-stack',
      () => stringify((parse(blockOf('kube-prometheus-stack', 'values.yaml')) as StackValues).alertmanager.config),
    ],
  ])('%s has a configuration with which a real Alertmanager delivers', async (name, configuration) => {
    const token = await admin.token('monitoring', 'alertmanager', [audience]);
    let checked = '';
    const alertmanager = await Alertmanager.with(async (directory) => {
      const credentials = join(directory, 'token');
      writeFileSync(credentials, token, { mode: 0o600 });
      writeFileSync(join(directory, 'as-it-is.yml'), configuration());
      checked = (await promisify(execFile)('amtool', ['check-config', join(directory, 'as-it-is.yml')])).stdout;
      // Only where things are, and how long it waits.
      return configuration()
        .replace(service, gateway.url)
        .replace('/var/run/secrets/kubernaut-gateway/token', credentials)
        .replace(/group_wait: .*/, 'group_wait: 0s')
        .replace(/group_interval: .*/, 'group_interval: 1s');
    });
    try {
      expect(checked).toContain('SUCCESS');
      const labels = { alertname: `delivered-by-${name}`, namespace: 'prod', pod: 'a' };
      const own = { ...labels, alertname: 'GatewayAbsent', kubernaut_remediate: 'false' };
      await alertmanager.push([{ labels }, { labels: own }]);
      await eventually(async () => expect(await requestsOf(labels.alertname)).toHaveLength(1));
      await alertmanager.resolve([{ labels }]);
      await eventually(async () =>
        expect(await requestsOf(labels.alertname)).toMatchObject([{ status: { signal: { state: 'Resolved' } } }]),
      );
      expect(await requestsOf('GatewayAbsent')).toEqual([]);
      expect((await alertmanager.notifications()).failed).toBe(0);
    } finally {
      await alertmanager.stop();
    }
  });

  it('kube-prometheus-stack and AlertmanagerConfig have what prometheus-operator takes', async () => {
    const group = '/apis/monitoring.coreos.com';
    for (const kind of ['alertmanagers', 'alertmanagerconfigs']) {
      const file = join(prometheusOperatorCrds, `monitoring.coreos.com_${kind}.yaml`);
      await admin.create(parse(readFileSync(file, 'utf8')) as ClusterObject);
    }
    const { alertmanagerSpec } = (parse(blockOf('kube-prometheus-stack', 'values.yaml')) as StackValues).alertmanager;
    const alertmanager = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'Alertmanager',
      metadata: { name: 'x' },
      spec: alertmanagerSpec,
    };
    await eventually(async () => tryOut(`${group}/v1/namespaces/monitoring/alertmanagers`, alertmanager));
    const [configuration] = objectsOf('alertmanager-config', 'alertmanagerconfig.yaml');
    const path = `${group}/v1alpha1/namespaces/shop/alertmanagerconfigs`;
    await eventually(async () => tryOut(path, configuration!));
    const mistaken = { ...configuration, spec: { route: { receiver: 'x', nonsense: true }, receivers: [] } };
    await expect(tryOut(path, mistaken)).rejects.toThrow(/nonsense/);
  });

  it('AlertmanagerConfig makes a token by commands that work', async () => {
    await admin.create(...objectsOf('alertmanager-config', 'team.yaml'));
    const script = guide('alertmanager-config').find(({ language }) => language === 'sh')?.text ?? '';
    const kubeconfig = server.kubeconfig(server.adminToken);
    await promisify(execFile)('sh', ['-ec', script.replace(/^kubectl apply -f team.yaml$/m, '')], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
    });
    const { data } = await admin.call<{ data: { token: string } }>(
      'GET',
      '/api/v1/namespaces/shop/secrets/kubernaut-gateway-token',
    );
    const token = Buffer.from(data.token, 'base64').toString();
    await eventually(async () => expect((await send(token, 'shop', 'by-secret')).status).toBe(201));
  });

  it('kubernetes-event-exporter has a receiver whose posts are taken', async () => {
    const { receivers, route } = parse(blockOf('kubernetes-event-exporter', 'config.yaml')) as ExporterConfig;
    const [receiver] = receivers;
    expect(route.routes[0]).toMatchObject({ match: [{ receiver: receiver?.name }], drop: [{ type: 'Normal' }] });
    const { endpoint, headers, ...others } = receiver!.webhook;
    expect([endpoint, others]).toEqual([service + eventsPath, {}]);
    const token = await admin.token('monitoring', 'event-exporter', [audience]);
    const body = readFileSync(join(__dirname, '../fixtures/kubernetes-event-exporter/back-off.json'), 'utf8');
    await eventually(async () => {
      const response = await fetch(gateway.url + new URL(endpoint).pathname, {
        method: 'POST',
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value.replace(/\$\{KUBERNAUT_GATEWAY_TOKEN\}/, token)]),
        ),
        body,
      });
      expect(response.status).toBe(201);
    });
    expect(await requestsOf('BackOff')).toHaveLength(1);
  });
});

interface StackValues {
  readonly alertmanager: { readonly alertmanagerSpec: object; readonly config: object };
}

interface ExporterConfig {
  readonly route: { readonly routes: readonly object[] };
  readonly receivers: readonly {
    readonly name: string;
    readonly webhook: { readonly endpoint: string; readonly headers: Readonly<Record<string, string>> };
  }[];
}

function account(place: string, name: string): ClusterObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: place } };
}
