import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import {
  ClusterAdmin,
  crdFile,
  manifests,
  namespace,
  senderForAll,
  type ClusterObject,
} from '../support/cluster-admin';
import { blockNamed, blocksOf } from '../support/document';
import { eventually } from '../support/eventually';
import { FaultyApi, statusFault } from '../support/faulty-api';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
import { RunningProcess } from '../support/process';
import { postWebhook } from '../support/sender';
import { silentLogger } from '../support/test-gateway';
import { firing, resolved, webhook } from '../support/webhook';

type Request = RemediationRequest & { readonly status?: { readonly message?: string } };

const requestsPath = '/apis/remediation.kubernaut.io/v1';
const account = { namespace: 'kubernaut-system', name: 'remediation-orchestrator' };
const sender = { namespace: 'monitoring', name: 'alertmanager' };
const watches = { method: 'GET', path: /watch=true/ };
const lists = { method: 'GET', path: /remediationrequests\?limit=/ };
const writes = { method: 'PATCH', path: /\/status$/ };

/** The program of the guide in a process of its own, as its account, beside a gateway in a real cluster. */
describe('docs/integrations/orchestrator.md', () => {
  const blocks = blocksOf('docs/integrations/orchestrator.md');
  let server: KubeApiServer;
  let admin: ClusterAdmin;
  let gateway: Gateway;
  /** Between the orchestrator and the API server. */
  let api: FaultyApi;
  let directory: string;
  let senderToken: string;
  let orchestrator: RunningProcess | undefined;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'orchestrator-guide-'));
    writeFileSync(join(directory, 'orchestrator.mjs'), blockNamed(blocks, 'orchestrator.mjs'));
    server = await startKubeApiServer();
    admin = new ClusterAdmin(server);
    const rbac = parseAllDocuments(blockNamed(blocks, 'rbac.yaml'));
    await admin.create(
      ...['kubernaut-system', 'monitoring', 'shop'].map((name) => namespace(name)),
      ...manifests(crdFile),
      ...manifests('docs/rbac.yaml'),
      ...rbac.map((document) => document.toJS() as ClusterObject),
      ...senderForAll(sender),
    );
    senderToken = await admin.token(sender.namespace, sender.name, ['kubernaut-gateway']);
    writeFileSync(join(directory, 'token'), await admin.token(account.namespace, account.name));
    api = await FaultyApi.start(server.url, server.ca);
    const token = await admin.token('kubernaut-system', 'gateway-sa');
    gateway = await startGateway({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
          metrics: { enabled: false },
          redis: { addr: '' },
          kubernetes: { kubeconfig: server.kubeconfig(token, 'kubernaut-system') },
          deduplication: { ttl: '10s', cooldown: '5s' },
        },
      }),
      logger: silentLogger(),
    });
    await eventually(async () => {
      expect(await (await fetch(`${gateway.url}/ready`)).json()).toMatchObject({ status: 'ok' });
    }, 30_000);
  }, 90_000);
  afterEach(async () => {
    api.heal();
    await stop();
  });
  afterAll(async () => {
    await gateway.close();
    await api.close();
    await admin.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  const start = async (workMs = 100) => {
    orchestrator = await RunningProcess.start('node', [join(directory, 'orchestrator.mjs')], {
      env: { API: api.url, TOKEN_FILE: join(directory, 'token'), WORK_MS: String(workMs) },
    });
  };
  const stop = async () => {
    await orchestrator?.stop('SIGKILL');
    orchestrator = undefined;
  };
  const post = (...alerts: object[]) => postWebhook(gateway.url, webhook(...alerts), senderToken);
  const labels = (alertname: string, others: Record<string, string> = {}) => ({
    alertname,
    namespace: 'shop',
    pod: 'a',
    ...others,
  });
  const fire = async (alertname: string, others: Record<string, string> = {}) => {
    const { status, body } = await post(firing(labels(alertname, others)));
    return { status, name: body.remediation_request_name as string, outcome: body.status as string };
  };
  const resolve = (alertname: string) =>
    post(resolved(labels(alertname), { startsAt: undefined, endsAt: new Date().toISOString() }));
  const requestsOf = async (alertname: string) => {
    const { items } = await admin.call<{ items: Request[] }>('GET', `${requestsPath}/remediationrequests`);
    return items.filter(({ spec }) => spec.alertName === alertname);
  };
  const read = (name: string) =>
    admin.call<Request>('GET', `${requestsPath}/namespaces/shop/remediationrequests/${name}`);
  const phaseOf = async (name: string, phase: string) => {
    await eventually(async () => expect((await read(name)).status?.overallPhase).toBe(phase));
    return read(name);
  };

  it('hears of a new request, works on it and completes it, and leaves what the gateway wrote', async () => {
    await start();
    const { status, name } = await fire('Life');
    expect(status).toBe(201);
    const done = await phaseOf(name, 'Completed');
    expect(done.status).toMatchObject({ message: 'looked at 1 of 1', completionTime: expect.any(String) });

    // In the cooldown it is a duplicate, and what still fires at its end is the next generation.
    expect(await fire('Life')).toMatchObject({ status: 202, outcome: 'duplicate' });
    await eventually(async () => expect(await requestsOf('Life')).toHaveLength(2));
    const second = await phaseOf(`${name}-2`, 'Completed');
    expect(second.spec.generation).toBe(2);
  });

  it('decides again when a request has changed under it, and keeps the count of duplicates', async () => {
    await start(500);
    let name = '';
    api.fail(writes, {
      before: async () => {
        for (let i = 0; i < 3; i++) await fire('Changed');
        await eventually(async () =>
          expect((await read(name)).status?.deduplication).toMatchObject({ occurrenceCount: 4 }),
        );
      },
    });
    // The answer may come after the watch has told.
    name = (await fire('Changed')).name;
    const done = await phaseOf(name, 'Completed');
    expect(done.status).toMatchObject({ deduplication: { occurrenceCount: 4 } });
    expect(orchestrator?.output).toContain('seen 4 times');
  });

  it('takes the most urgent first, and goes on with what was interrupted', async () => {
    await start(60_000);
    const interrupted = (await fire('Interrupted', { kubernaut_priority: 'P2' })).name;
    await phaseOf(interrupted, 'Processing');
    await stop();
    const least = (await fire('Least', { kubernaut_priority: 'P4' })).name;
    const most = (await fire('Most', { kubernaut_priority: 'P0' })).name;
    await start();
    await phaseOf(least, 'Completed');
    const worked = [...(orchestrator?.output ?? '').matchAll(/^P\d (\S+):/gm)].map(([, name]) => name);
    expect(worked).toEqual([most, interrupted, least]);
  });

  it('leaves alone what has resolved, and stops what resolves meanwhile', async () => {
    const before = (await fire('Before')).name;
    await resolve('Before');
    await start(60_000);
    await phaseOf(before, 'Skipped');
    const meanwhile = (await fire('Meanwhile')).name;
    await phaseOf(meanwhile, 'Processing');
    expect((await resolve('Meanwhile')).body).toMatchObject({ reason: 'resolved' });
    expect((await phaseOf(meanwhile, 'Cancelled')).status).toMatchObject({
      message: 'resolved meanwhile',
      signal: { state: 'Resolved', resolvedAt: expect.any(String) },
    });
  });

  it('works on the members of a storm, those that join it later among them', async () => {
    await start(200);
    const members = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => firing(labels('Stormy', { pod: `pod-${from + i}` })));
    expect((await post(...members(0, 12))).body.summary).toMatchObject({ created: 6, storm_aggregated: 6 });
    const storm = (await requestsOf('Stormy')).find(({ spec }) => spec.storm !== undefined)?.metadata.name ?? '';
    await phaseOf(storm, 'Processing');
    expect((await post(...members(12, 14))).body.summary).toMatchObject({ storm_aggregated: 2 });
    expect((await phaseOf(storm, 'Completed')).status).toMatchObject({
      message: 'looked at 9 of 9',
      storm: { alertCount: 9, totalAffectedResources: 9 },
    });
    await eventually(async () =>
      expect((await requestsOf('Stormy')).map(({ status }) => status?.overallPhase)).not.toContain(undefined),
    );
  });

  it('says so when it cannot do it', async () => {
    await start();
    expect((await post(firing({ alertname: 'Nameless' }))).status).toBe(201);
    await eventually(async () =>
      expect(await requestsOf('Nameless')).toMatchObject([
        { status: { overallPhase: 'Failed', message: 'the alert names no object' } },
      ]),
    );
  });

  it('misses nothing when its watch breaks, when the API server is away, and when the past is gone', async () => {
    await start();
    await phaseOf((await fire('BeforeTheBreak')).name, 'Completed');
    const listed = api.count(lists);
    api.breakWatches();
    await phaseOf((await fire('AfterTheBreak')).name, 'Completed');
    expect(api.count(lists)).toBe(listed);

    await api.down();
    const away = (await fire('WhileAway')).name;
    await api.up();
    await phaseOf(away, 'Completed');

    api.fail(watches, statusFault(410, { reason: 'Expired' }));
    api.breakWatches();
    await phaseOf((await fire('Gone')).name, 'Completed');
    await eventually(() => expect(api.count(lists)).toBe(listed + 1));

    // As the API server says it in a watch that it has already begun.
    const object = { kind: 'Status', code: 410, message: 'too old resource version' };
    api.fail(watches, { status: 200, body: `${JSON.stringify({ type: 'ERROR', object })}\n` });
    api.breakWatches();
    await phaseOf((await fire('GoneToo')).name, 'Completed');
    await eventually(() => expect(api.count(lists)).toBe(listed + 2));
  });

  it('tries again what could not be written', async () => {
    await start();
    api.fail(writes, statusFault(503));
    await phaseOf((await fire('NotWritten')).name, 'Completed');
    expect(orchestrator?.output).toContain('work: ');
  });

  it('forgets a request that is deleted', async () => {
    await start(60_000);
    const { name } = await fire('Deleted');
    await phaseOf(name, 'Processing');
    await admin.call('DELETE', `${requestsPath}/namespaces/shop/remediationrequests/${name}`);
    const next = (await fire('AfterTheDeleted')).name;
    expect((await phaseOf(next, 'Processing')).status).not.toHaveProperty('completionTime');
  });

  it('grants its account what the program needs, and nothing else', async () => {
    const reviewOf = async (verb: string, resource: string, subresource = '') => {
      const user = `system:serviceaccount:${account.namespace}:${account.name}`;
      const resourceAttributes = { verb, group: 'remediation.kubernaut.io', resource, subresource, namespace: 'shop' };
      const { status } = await admin.call<{ status: { allowed: boolean } }>(
        'POST',
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user, resourceAttributes } },
      );
      return status.allowed;
    };
    expect(await reviewOf('patch', 'remediationrequests', 'status')).toBe(true);
    for (const verb of ['create', 'update', 'patch', 'delete'])
      expect([verb, await reviewOf(verb, 'remediationrequests')]).toEqual([verb, false]);
    expect(await reviewOf('update', 'remediationrequests', 'status')).toBe(false);
  });
});
