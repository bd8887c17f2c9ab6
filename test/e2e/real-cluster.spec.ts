import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import { ClusterAdmin, crdFile, manifests, namespace, type ClusterObject } from '../support/cluster-admin';
import { eventually } from '../support/eventually';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
import { postWebhook } from '../support/sender';
import { firing, resolved, webhook } from '../support/webhook';

const audience = 'kubernaut-gateway';
const group = 'rbac.authorization.k8s.io';
const eventsPath = '/api/v1/signals/kubernetes-event';
const requestsPath = '/apis/remediation.kubernaut.io/v1';
/** The gateway asks anew about what it refused, and looks again at what is wrong, after these. */
const patienceMs = 30_000;

/** A gateway in a real Kubernetes cluster, under the ServiceAccount and the roles that it ships with. */
describe('in a real cluster the gateway', () => {
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let gateway: Gateway;
  let directory: string;
  let tokenFile: string;
  let everywhere: string;
  let shopOnly: string;
  const logged: Record<string, unknown>[] = [];

  beforeAll(async () => {
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    await admin.create(
      ...['kubernaut-system', 'monitoring', 'shop', 'bank', 'denied', 'full', 'hooked'].map((name) => namespace(name)),
      namespace('prod', { environment: 'production' }),
      ...manifests(crdFile),
      ...manifests('docs/rbac.yaml'),
      account('monitoring', 'alertmanager'),
      account('shop', 'alertmanager'),
      bindSender('ClusterRoleBinding', 'everywhere', { name: 'alertmanager', namespace: 'monitoring' }),
      bindSender('RoleBinding', 'shop', { name: 'alertmanager', namespace: 'shop' }, 'shop'),
    );
    everywhere = await admin.token('monitoring', 'alertmanager', [audience]);
    shopOnly = await admin.token('shop', 'alertmanager', [audience]);
    directory = mkdtempSync(join(tmpdir(), 'gateway-real-cluster-'));
    tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, await admin.token('kubernaut-system', 'gateway-sa'));
    gateway = await start();
    await eventually(async () => expect(await ready()).toMatchObject({ status: 'ok' }), patienceMs);
  }, 90_000);
  afterAll(async () => {
    await gateway.close();
    await admin.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  /** As in a pod: the token is in a file that somebody else renews. */
  const start = (settings: Record<string, object> = {}) => {
    const kubeconfig = join(directory, 'kubeconfig');
    const config = {
      clusters: [
        {
          name: 'c',
          cluster: { server: server.url, 'certificate-authority-data': Buffer.from(server.ca).toString('base64') },
        },
      ],
      users: [{ name: 'u', user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'kubernaut-system' } }],
      'current-context': 'x',
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const logger = pino(
      { level: 'info', formatters: { level: (label) => ({ level: label }) } },
      { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    );
    return startGateway({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
          metrics: { listen_addr: '127.0.0.1:0' },
          redis: { addr: '' },
          kubernetes: { kubeconfig },
          auth: { denied_cache_ttl: '1s' },
          deduplication: { ttl: '5s', cooldown: '3s' },
          ...settings,
        },
      }),
      logger,
    });
  };
  const post = (body: object, token = everywhere) => postWebhook(gateway.url, body, token);
  const alert = (alertname: string, where = 'prod', members = {}) =>
    firing({ alertname, namespace: where, pod: 'a' }, members);
  const ready = async () =>
    (await fetch(`${gateway.url}/ready`)).json() as Promise<{ status: string; details: object }>;
  const read = (where: string, name: string) =>
    admin.call<RemediationRequest>('GET', `${requestsPath}/namespaces/${where}/remediationrequests/${name}`);
  const requestsOf = async (alertname: string) => {
    const { items } = await admin.call<{ items: RemediationRequest[] }>('GET', `${requestsPath}/remediationrequests`);
    return items.filter(({ spec }) => spec.alertName === alertname);
  };
  const metric = async (line: string) =>
    (await (await fetch(gateway.metricsUrl ?? '')).text()).split('\n').find((candidate) => candidate.startsWith(line));

  it('has all that it needs by its own roles, and says so', async () => {
    expect(await ready()).toMatchObject({ details: { kubernetes: { status: 'up' } } });
    expect(logged.find(({ msg }) => msg === 'self-check passed')).toBeDefined();
  });

  it('creates a request, counts what is sent again, and follows it when it resolves and fires again', async () => {
    const created = await post(webhook(alert('Life')));
    expect(created).toMatchObject({ status: 201, body: { environment: 'production', namespace: 'prod' } });
    const name = created.body.remediation_request_name as string;
    for (let i = 0; i < 4; i++) expect((await post(webhook(alert('Life')))).status).toBe(202);
    await eventually(async () =>
      expect((await read('prod', name)).status?.deduplication).toMatchObject({ occurrenceCount: 5 }),
    );

    const end = { endsAt: new Date().toISOString() };
    expect(await post(webhook(resolved({ alertname: 'Life', namespace: 'prod', pod: 'a' }, end)))).toMatchObject({
      status: 202,
      body: { reason: 'resolved', remediation_request_name: name },
    });
    expect((await read('prod', name)).status?.signal).toMatchObject({ state: 'Resolved', firingAlerts: [] });
    expect((await post(webhook(alert('Life', 'prod', { startsAt: new Date().toISOString() })))).status).toBe(202);
    expect((await read('prod', name)).status?.signal).toMatchObject({ state: 'Firing' });
    expect(await requestsOf('Life')).toHaveLength(1);
  });

  describe('that watches events and identifies incidents by owner', () => {
    let other: Gateway;
    beforeAll(async () => {
      await admin.create(...manifests('docs/rbac-owners.yaml'), ...manifests('docs/rbac-event-watch.yaml'));
      other = await start({
        fingerprint: { identity: 'owner' },
        adapters: { kubernetes_event: { watch: true } },
      });
      // The API server may know the roles a moment later; the gateway looks again in ten seconds.
      await eventually(
        async () => expect(await (await fetch(`${other.url}/ready`)).json()).toMatchObject({ status: 'ok' }),
        patienceMs,
      );
      await eventually(() => expect(logged.find(({ msg }) => msg === 'lease acquired')).toBeDefined(), patienceMs);
    }, 90_000);
    afterAll(() => other.close());

    const podTemplate = { spec: { containers: [{ name: 'app', image: 'app' }] } };
    const controlledBy = (kind: string, name: string) => [
      { apiVersion: 'apps/v1', kind, name, uid: '6c1c0f1c-0000-4000-8000-000000000000', controller: true },
    ];
    const createPod = (name: string, replicaSet: string) =>
      admin.call('POST', '/api/v1/namespaces/prod/pods', {
        metadata: { name, ownerReferences: controlledBy('ReplicaSet', replicaSet) },
        ...podTemplate,
      });

    it('has all that it needs by its roles', () => {
      const checks = logged.filter(({ msg }) => String(msg).startsWith('self-check'));
      expect(checks.at(-1)).toMatchObject({ msg: 'self-check passed' });
    });

    it('finds the Deployment of pods, and reads only the metadata of what it watches', async () => {
      const labels = { app: 'api' };
      await admin.call('POST', '/apis/apps/v1/namespaces/prod/replicasets', {
        metadata: { name: 'api-7f9c', ownerReferences: controlledBy('Deployment', 'api') },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, ...podTemplate } },
      });
      await createPod('api-7f9c-aaaaa', 'api-7f9c');
      await createPod('api-7f9c-bbbbb', 'api-7f9c');
      const alerts = ['aaaaa', 'bbbbb'].map((pod) =>
        firing({ alertname: 'Owned', namespace: 'prod', pod: `api-7f9c-${pod}` }),
      );
      const { status, body } = await postWebhook(other.url, webhook(...alerts), everywhere);
      expect([status, body.summary]).toMatchObject([201, { created: 1, duplicate: 1 }]);
      expect(await requestsOf('Owned')).toMatchObject([
        { spec: { owner: { kind: 'Deployment', name: 'api', apiVersion: 'apps/v1' } } },
      ]);
    });

    it('takes events of both APIs, as they are written and as they are listed', async () => {
      const pod = { kind: 'Pod', apiVersion: 'v1', namespace: 'prod' };
      await admin.call('POST', '/api/v1/namespaces/prod/events', {
        metadata: { name: 'core.1' },
        involvedObject: { ...pod, name: 'core' },
        reason: 'WatchedCore',
        type: 'Warning',
        message: 'm',
        firstTimestamp: new Date().toISOString(),
        lastTimestamp: new Date().toISOString(),
        count: 1,
      });
      await admin.call('POST', '/apis/events.k8s.io/v1/namespaces/prod/events', {
        metadata: { name: 'new.1' },
        regarding: { ...pod, name: 'new' },
        reason: 'WatchedNew',
        type: 'Warning',
        note: 'n',
        action: 'Binding',
        reportingController: 'scheduler',
        reportingInstance: 'scheduler-1',
        eventTime: new Date().toISOString().replace('Z', '000Z'),
      });
      await eventually(async () => {
        expect(await requestsOf('WatchedCore')).toHaveLength(1);
        expect(await requestsOf('WatchedNew')).toHaveLength(1);
      });
      // Of this namespace: the API server writes events about its own Service as well, whenever it finds something to repair.
      for (const list of ['/api/v1/namespaces/prod/events', '/apis/events.k8s.io/v1/namespaces/prod/events']) {
        const answer = await postWebhook(other.url, await admin.call<object>('GET', list), everywhere, eventsPath);
        expect([answer.status, answer.body.summary]).toMatchObject([202, { created: 0, rejected: 0 }]);
        expect(answer.body.summary.duplicate).toBeGreaterThanOrEqual(2);
      }
    });
  });

  it('makes one request of a storm, that follows its members', async () => {
    const pods = Array.from({ length: 20 }, (_, i) => ({ alertname: 'Stormy', namespace: 'prod', pod: `pod-${i}` }));
    const { status, body } = await post(webhook(...pods.map((labels) => firing(labels))));
    expect([status, body.summary]).toMatchObject([201, { created: 6, storm_aggregated: 14 }]);
    const requests = await requestsOf('Stormy');
    expect(requests).toHaveLength(6);
    const storm = requests.find(({ spec }) => spec.storm !== undefined)!;
    expect(storm).toMatchObject({
      metadata: { labels: { 'kubernaut.io/storm': 'true' } },
      status: { storm: { alertCount: 15, totalAffectedResources: 15, affectedResources: expect.any(Array) } },
    });
    await post(webhook(...pods.map((labels) => resolved(labels, { endsAt: new Date().toISOString() }))));
    expect((await read('prod', storm.metadata.name ?? '')).status).toMatchObject({
      storm: { alertCount: 15, resolvedCount: 15 },
      signal: { state: 'Resolved' },
    });
  });

  it('opens the next generation when the cooldown ends, of what fired in it and was not sent again', async () => {
    const created = await post(webhook(alert('Recurs')));
    const name = created.body.remediation_request_name as string;
    const finished = { overallPhase: 'Completed', completionTime: new Date().toISOString() };
    const request = {
      apiVersion: 'remediation.kubernaut.io/v1',
      kind: 'RemediationRequest',
      metadata: { name, namespace: 'prod' },
    };
    await admin.patch(request, { status: finished }, '/status');
    await eventually(async () => expect((await read('prod', name)).status).toMatchObject(finished));
    // The gateway may hear of it later than we do: what is sent before that only repeats what is known.
    await eventually(async () => {
      expect((await post(webhook(alert('Recurs')))).status).toBe(202);
      expect((await read('prod', name)).status?.signal).toHaveProperty('recurredAt');
    });
    await eventually(async () =>
      expect((await requestsOf('Recurs')).map(({ metadata }) => metadata.name).sort()).toEqual([name, `${name}-2`]),
    );
    await eventually(async () => expect((await read('prod', name)).status?.signal).not.toHaveProperty('recurredAt'));
  });

  it('accepts a token for its audience alone', async () => {
    expect((await post(webhook(alert('Tokens')), await admin.token('monitoring', 'alertmanager'))).status).toBe(401);
    expect(
      (await post(webhook(alert('Tokens')), await admin.token('monitoring', 'alertmanager', ['else']))).status,
    ).toBe(401);
    expect(await requestsOf('Tokens')).toHaveLength(0);
  });

  it('lets a sender send for its own namespaces alone', async () => {
    const two = webhook(alert('Mine', 'shop'), alert('NotMine', 'bank'));
    expect(await post(two, shopOnly)).toMatchObject({
      status: 201,
      body: {
        results: [
          { status: 'created', namespace: 'shop' },
          { status: 'rejected', reason: 'forbidden' },
        ],
      },
    });
    expect(await requestsOf('NotMine')).toHaveLength(0);
    const refused = await post(webhook(alert('NotMine', 'bank')), shopOnly);
    expect(refused).toMatchObject({ status: 403, body: { type: 'https://kubernaut.io/problems/forbidden' } });
    expect(refused.body.error).toContain("for namespace 'bank'");

    await admin.create(bindSender('RoleBinding', 'bank', { name: 'alertmanager', namespace: 'shop' }, 'bank'));
    await eventually(async () => expect((await post(webhook(alert('NotMine', 'bank')), shopOnly)).status).toBe(201));
  });

  it('puts the request of a signal whose namespace is not there, or is being deleted, into its own', async () => {
    expect(await post(webhook(alert('Absent', 'nowhere')))).toMatchObject({
      status: 201,
      body: { namespace: 'kubernaut-system' },
    });
    // Nothing here finishes the deletion, so it stays terminating.
    await admin.create(namespace('leaving'));
    await admin.delete(namespace('leaving'));
    expect(await post(webhook(alert('Leaving', 'leaving')))).toMatchObject({
      status: 201,
      body: { namespace: 'kubernaut-system' },
    });
  });

  it('refuses for good what an admission policy denies, and harms no other alert', async () => {
    await admin.create(
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: 'no-requests' },
        spec: {
          matchConstraints: {
            resourceRules: [
              {
                apiGroups: ['remediation.kubernaut.io'],
                apiVersions: ['v1'],
                operations: ['CREATE'],
                resources: ['remediationrequests'],
              },
            ],
          },
          validations: [{ expression: "object.metadata.namespace != 'denied'", message: 'not here' }],
        },
      } as ClusterObject,
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: 'no-requests' },
        spec: { policyName: 'no-requests', validationActions: ['Deny'] },
      } as ClusterObject,
    );
    let tries = 0;
    await eventually(async () => {
      const name = `Denied${++tries}`;
      const two = webhook(alert(name, 'denied'), alert(`Beside${tries}`));
      expect(await post(two)).toMatchObject({
        status: 201,
        body: { results: [{ status: 'rejected', reason: 'denied' }, { status: 'created' }] },
      });
      expect((await post(webhook(alert(name, 'denied')))).status).toBe(400);
    });
  });

  it('asks to be sent again what a quota has no room for, and takes it when there is room', async () => {
    const quota: ClusterObject = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'requests', namespace: 'full' },
    };
    const hard = { 'count/remediationrequests.remediation.kubernaut.io': '0' };
    await admin.create({ ...quota, spec: { hard } } as ClusterObject);
    await admin.patch(quota, { status: { hard, used: hard } }, '/status');
    await eventually(async () =>
      expect(await post(webhook(alert(`Full${Date.now()}`, 'full')))).toMatchObject({
        status: 503,
        body: { details: { reasons: ['quota_exceeded'] } },
      }),
    );
    await admin.delete(quota);
    await eventually(async () => expect((await post(webhook(alert('Fits', 'full')))).status).toBe(201));
  });

  it('asks to be sent again what an admission webhook that is down holds up, and goes on elsewhere', async () => {
    const hook: ClusterObject = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'down' },
    };
    await admin.create({
      ...hook,
      webhooks: [
        {
          name: 'down.example.com',
          clientConfig: { url: 'https://127.0.0.1:1/' },
          rules: [
            {
              apiGroups: ['remediation.kubernaut.io'],
              apiVersions: ['v1'],
              operations: ['CREATE'],
              resources: ['remediationrequests'],
            },
          ],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'hooked' } },
          failurePolicy: 'Fail',
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          timeoutSeconds: 1,
        },
      ],
    } as ClusterObject);
    let tries = 0;
    await eventually(async () =>
      expect(await post(webhook(alert(`Hooked${++tries}`, 'hooked')))).toMatchObject({
        status: 503,
        body: { details: { reasons: ['admission_webhook_unavailable'] } },
      }),
    );
    for (let i = 0; i < 10; i++) await post(webhook(alert(`HookedToo${i}`, 'hooked')));
    expect((await post(webhook(alert('BesideTheHook')))).status).toBe(201);
    expect(await metric('gateway_circuit_breaker_state{dependency="kubernetes"}')).toMatch(/ 0$/);
    await admin.delete(hook);
    await eventually(async () => expect((await post(webhook(alert(`Hooked${tries}`, 'hooked')))).status).toBe(201));
  });

  it('says which permission is missing, and goes on when it is granted', async () => {
    const role = manifests('docs/rbac.yaml').find(({ kind }) => kind === 'ClusterRole') as ClusterObject & {
      rules: { resources: string[]; verbs: string[] }[];
    };
    const without = role.rules.map((rule) =>
      rule.resources[0] === 'remediationrequests' ? { ...rule, verbs: ['get', 'list', 'watch'] } : rule,
    );
    await admin.patch(role, { rules: without });
    let tries = 0;
    await eventually(async () =>
      expect(await post(webhook(alert(`Unpermitted${++tries}`)))).toMatchObject({
        status: 503,
        body: { details: { reasons: ['kubernetes_forbidden'] } },
      }),
    );
    await eventually(async () =>
      expect(await ready()).toMatchObject({
        status: 'error',
        details: {
          kubernetes: { reason: expect.stringContaining('create remediationrequests.remediation.kubernaut.io') },
        },
      }),
    );
    await admin.patch(role, { rules: role.rules });
    await eventually(async () => expect((await post(webhook(alert('Permitted')))).status).toBe(201));
    await eventually(async () => expect(await ready()).toMatchObject({ status: 'ok' }), patienceMs);
  });

  it('takes its own token from its file again when that was renewed', async () => {
    const [own] = manifests('docs/rbac.yaml');
    await admin.delete(own!);
    await admin.create(own!);
    // The tokens of the account that was deleted are good for nothing any more.
    writeFileSync(tokenFile, await admin.token('kubernaut-system', 'gateway-sa'));
    await eventually(async () => expect((await post(webhook(alert('Renewed')))).status).toBe(201));
  });

  it('says that the CRD is missing, loses nothing, and goes on when it is there', async () => {
    const [crd] = manifests(crdFile);
    await admin.delete(crd!);
    let tries = 0;
    await eventually(async () =>
      expect(await post(webhook(alert(`WithoutCrd${++tries}`)))).toMatchObject({
        status: 503,
        body: { details: { reasons: ['crd_unusable'] } },
      }),
    );
    await eventually(async () =>
      expect(await ready()).toMatchObject({
        status: 'error',
        details: { kubernetes: { reason: expect.stringContaining('is not installed') } },
      }),
    );
    await admin.create(crd!);
    await eventually(
      async () => expect((await post(webhook(alert(`WithoutCrd${tries}`)))).status).toBe(201),
      patienceMs,
    );
    await eventually(async () => expect(await ready()).toMatchObject({ status: 'ok' }), patienceMs);
  }, 90_000);
});

function account(place: string, name: string): ClusterObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: place } };
}

/** What docs/security.md has an operator do for a sender. */
function bindSender(
  kind: 'ClusterRoleBinding' | 'RoleBinding',
  name: string,
  sender: { name: string; namespace: string },
  place?: string,
): ClusterObject {
  return {
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name, ...(place === undefined ? {} : { namespace: place }) },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'gateway-signal-sender' },
    subjects: [{ kind: 'ServiceAccount', ...sender }],
  } as ClusterObject;
}
