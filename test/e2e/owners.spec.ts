import type { Gateway } from '../../src/gateway';
import { startGatewayOn } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi, statusFault } from '../support/faulty-api';
import { postWebhook } from '../support/sender';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { firing, resolved, webhook } from '../support/webhook';

interface Owned {
  readonly kind: string;
  readonly name: string;
  /** `Kind/name` of what controls it. */
  readonly owner?: string;
}

const collections: Readonly<Record<string, string>> = {
  Pod: '/api/v1/namespaces/test/pods',
  ReplicaSet: '/apis/apps/v1/namespaces/test/replicasets',
  Job: '/apis/batch/v1/namespaces/test/jobs',
};

/** A gateway whose incidents are told apart by owner, and objects as the controllers of Kubernetes make them. */
describe('owners', () => {
  let gateway: TestGateway;
  const start = async (settings: Record<string, object> = { fingerprint: { identity: 'owner' } }) => {
    gateway = await startTestGateway(settings);
  };
  afterEach(() => gateway.close());

  const create = async (...objects: readonly Owned[]) => {
    for (const { kind, name, owner } of objects) {
      const [ownerKind, ownerName] = owner?.split('/') ?? [];
      const group = ownerKind?.endsWith('Job') ? 'batch' : 'apps';
      const controller = { apiVersion: `${group}/v1`, kind: ownerKind, name: ownerName, uid: 'x', controller: true };
      await gateway.kubernetes('POST', collections[kind]!, {
        apiVersion: kind === 'Pod' ? 'v1' : kind === 'Job' ? 'batch/v1' : 'apps/v1',
        kind,
        metadata: { namespace: 'test', name, ...(owner === undefined ? {} : { ownerReferences: [controller] }) },
      });
    }
  };
  const alert = (pod: string, alertname = 'Broken') => ({ alertname, namespace: 'test', pod });
  const fire = async (...pods: readonly string[]) =>
    (await gateway.post(webhook(...pods.map((pod) => firing(alert(pod)))))).body;
  const owners = async () =>
    (await gateway.requests()).map(({ spec }) => spec.owner && `${spec.owner.kind}/${spec.owner.name}`);
  const watched = (count: number) =>
    eventually(async () => expect(await gateway.metric('gateway_cache_entries', { cache: 'pods' })).toBe(count));

  it('make the pods of a workload one incident, whatever made them', async () => {
    await start();
    await create(
      { kind: 'ReplicaSet', name: 'api-7f9c', owner: 'Deployment/api' },
      { kind: 'Pod', name: 'api-7f9c-aaaaa', owner: 'ReplicaSet/api-7f9c' },
      { kind: 'Pod', name: 'api-7f9c-bbbbb', owner: 'ReplicaSet/api-7f9c' },
      { kind: 'Pod', name: 'db-0', owner: 'StatefulSet/db' },
      { kind: 'Pod', name: 'db-1', owner: 'StatefulSet/db' },
      { kind: 'Pod', name: 'agent-ccccc', owner: 'DaemonSet/agent' },
      { kind: 'Job', name: 'backup-291', owner: 'CronJob/backup' },
      { kind: 'Pod', name: 'backup-291-ddddd', owner: 'Job/backup-291' },
      { kind: 'Pod', name: 'alone' },
      { kind: 'Pod', name: 'etcd-node-1', owner: 'Node/node-1' },
    );
    await watched(8);
    const { summary } = await fire(
      'api-7f9c-aaaaa',
      'api-7f9c-bbbbb',
      'db-0',
      'db-1',
      'agent-ccccc',
      'backup-291-ddddd',
      'alone',
      'etcd-node-1',
    );
    expect(summary).toMatchObject({ received: 8, created: 6, duplicate: 2 });
    expect((await owners()).sort()).toEqual([
      'CronJob/backup',
      'DaemonSet/agent',
      'Deployment/api',
      'StatefulSet/db',
      undefined,
      undefined,
    ]);
    const api = (await gateway.requests()).find(({ spec }) => spec.owner?.name === 'api');
    expect(api?.spec.resource).toMatchObject({ kind: 'Pod', name: 'api-7f9c-aaaaa' });
    // An alert about the workload itself is the same incident.
    const about = await gateway.post(webhook(firing({ alertname: 'Broken', namespace: 'test', deployment: 'api' })));
    expect(about.body.status).toBe('duplicate');
  });

  it('are still two incidents when two things are wrong', async () => {
    await start();
    await create({ kind: 'Pod', name: 'db-0', owner: 'StatefulSet/db' });
    await gateway.post(webhook(firing(alert('db-0', 'Slow')), firing(alert('db-0', 'Full'))));
    expect(await owners()).toEqual(['StatefulSet/db', 'StatefulSet/db']);
  });

  it('are read when the watch does not show them yet', async () => {
    await start();
    await create(
      { kind: 'ReplicaSet', name: 'api-7f9c', owner: 'Deployment/api' },
      { kind: 'Pod', name: 'api-7f9c-aaaaa', owner: 'ReplicaSet/api-7f9c' },
    );
    await fire('api-7f9c-aaaaa');
    expect(await owners()).toEqual(['Deployment/api']);
  });

  it('are those of before when the pod is gone, and it resolves', async () => {
    await start();
    await create({ kind: 'Pod', name: 'db-0', owner: 'StatefulSet/db' });
    await fire('db-0');
    await gateway.kubernetes('DELETE', `${collections.Pod}/db-0`);
    await watched(0);
    const answer = await gateway.post(webhook(resolved(alert('db-0'))));
    expect(answer.body).toMatchObject({ status: 'resolved', reason: 'resolved' });
  });

  it('of a pod that nobody saw are those of the ReplicaSet or Job that it is named after', async () => {
    await start();
    await create(
      { kind: 'ReplicaSet', name: 'api-7f9c', owner: 'Deployment/api' },
      { kind: 'Job', name: 'backup-291', owner: 'CronJob/backup' },
    );
    await eventually(async () => expect(await gateway.metric('gateway_cache_entries', { cache: 'jobs' })).toBe(1));
    await fire('api-7f9c-zzzzz', 'backup-291-zzzzz', 'other-zzzzz');
    expect((await owners()).sort()).toEqual(['CronJob/backup', 'Deployment/api', undefined]);
    expect(await gateway.metric('gateway_owner_lookups_total', { by: 'name' })).toBeGreaterThanOrEqual(2);
  });

  it('that cannot be found out change nothing: the pod stands for itself', async () => {
    await start();
    const names = ['gone', '../../secrets', 'UPPER', 'a'.repeat(300), 'x/y'];
    const answer = await fire(...names);
    expect(answer.summary).toMatchObject({ received: names.length, created: names.length });
    expect(await owners()).toEqual(names.map(() => undefined));
  });

  describe('after a restart', () => {
    let way: FaultyApi;
    let again: Gateway;
    const startAgain = async () => {
      again = await startGatewayOn(way.url, { fingerprint: { identity: 'owner' } });
    };
    const ready = async () => {
      const response = await fetch(`${again.url}/ready`);
      return [response.status, await response.text()] as const;
    };
    beforeEach(async () => {
      await start();
      way = await FaultyApi.start(gateway.apiUrl);
    });
    afterEach(async () => {
      await again.close();
      await way.close();
    });

    it('are known before the first signal is: nothing is told apart by its object for a while', async () => {
      const pods = Array.from({ length: 5 }, (_, i) => `db-${i}`);
      await create(...pods.map((name) => ({ kind: 'Pod', name, owner: 'StatefulSet/db' })));
      await fire(...pods);
      way.fail({ path: /\/pods\?limit/ }, { delayMs: 1_000 });
      await startAgain();
      expect(await ready()).toEqual([503, expect.stringContaining('not listed yet: ')]);
      await eventually(async () => expect((await ready())[0]).toBe(200));
      const alerts = pods.map((pod) => firing(alert(pod)));
      expect((await postWebhook(again.url, webhook(...alerts))).body.summary).toMatchObject({ duplicate: 5 });
      expect(await owners()).toEqual(['StatefulSet/db']);
    });

    it('that may not be listed keep nobody from being ready', async () => {
      way.fail({ path: /\/pods/ }, statusFault(403, { reason: 'Forbidden', message: 'no' }), Infinity);
      await startAgain();
      await eventually(async () =>
        expect(await ready()).toEqual([200, expect.stringContaining('watch interrupted: owners')]),
      );
      expect((await postWebhook(again.url, webhook(firing(alert('db-0'))))).status).toBe(201);
    });
  });

  it('count for the sources of which it is configured alone', async () => {
    await start({ adapters: { kubernetes_event: { identity: 'owner' } } });
    await create({ kind: 'Pod', name: 'db-0', owner: 'StatefulSet/db' });
    await watched(1);
    await fire('db-0');
    const event = {
      type: 'Warning',
      reason: 'BackOff',
      involvedObject: { kind: 'Pod', namespace: 'test', name: 'db-0' },
    };
    await gateway.post(event, { path: '/api/v1/signals/kubernetes-event' });
    expect((await owners()).sort()).toEqual(['StatefulSet/db', undefined]);
  });
});

describe('an incident that an alert and an event tell of', () => {
  const event = {
    type: 'Warning',
    reason: 'BackOff',
    involvedObject: { kind: 'Pod', namespace: 'test', name: 'db-0' },
  };
  const told = async (settings: Record<string, object>) => {
    const gateway = await startTestGateway(settings);
    try {
      await gateway.post(webhook(firing({ alertname: 'KubePodCrashLooping', namespace: 'test', pod: 'db-0' })));
      const { body } = await gateway.post(event, { path: '/api/v1/signals/kubernetes-event' });
      const again = await gateway.post(
        webhook(resolved({ alertname: 'KubePodCrashLooping', namespace: 'test', pod: 'db-0' })),
      );
      const [request] = await gateway.requests();
      return {
        event: body.status,
        resolved: again.body.reason,
        count: (await gateway.requests()).length,
        state: request?.status?.signal?.state,
      };
    } finally {
      await gateway.close();
    }
  };

  it('is two, unless it is configured', async () => {
    expect(await told({})).toMatchObject({ event: 'created', count: 2 });
    expect(await told({ adapters: { kubernetes_event: { identity: 'object_only' } } })).toMatchObject({ count: 2 });
  });

  it('is one when both are told apart by the object alone, and over when the alert is', async () => {
    expect(await told({ fingerprint: { identity: 'object_only' } })).toEqual({
      event: 'duplicate',
      resolved: 'resolved',
      count: 1,
      state: 'Resolved',
    });
  });
});
