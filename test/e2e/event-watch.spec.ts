import { setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from '../../src/gateway';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { eventually } from '../support/eventually';
import { startCluster, startGatewayOn, untilReady } from '../support/a-cluster';
import { FaultyApi, statusFault } from '../support/faulty-api';

const eventsPath = '/api/v1/namespaces/test/events';
const leasePath = '/apis/coordination.k8s.io/v1/namespaces/kubernaut-system/leases/kubernaut-gateway-event-watch';

interface Lease {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: { readonly holderIdentity: string };
}

/** Gateways that watch the events of one cluster, each by its own way to the API server. */
describe('the watch of events', () => {
  let server: KubernetesApiServer;
  let ways: FaultyApi[] = [];
  let gateways: Gateway[] = [];

  beforeEach(async () => {
    server = await startCluster([{ token: 'good', username: 'sender' }]);
  });
  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await Promise.all(ways.map((way) => way.close()));
    await server.close();
    [ways, gateways] = [[], []];
  });

  const start = async () => {
    const way = await FaultyApi.start(server.url);
    ways.push(way);
    const gateway = await startGatewayOn(way.url, { adapters: { kubernetes_event: { watch: true } } });
    gateways.push(gateway);
    await untilReady(gateway);
    return { gateway, way };
  };
  const stop = async (gateway: Gateway) => {
    gateways = gateways.filter((other) => other !== gateway);
    await gateway.close();
  };
  async function call<T>(method: string, path: string, body?: object, type = 'application/json'): Promise<T> {
    const response = await fetch(server.url + path, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': type } } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
  const happens = (pod: string, members: object = {}, path = eventsPath) =>
    call('POST', path, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${pod}.1`, namespace: 'test' },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'test', name: pod },
      type: 'Warning',
      reason: 'BackOff',
      message: 'Back-off restarting failed container',
      count: 1,
      firstTimestamp: new Date().toISOString(),
      lastTimestamp: new Date().toISOString(),
      ...members,
    });
  const happensAgain = (pod: string, members: object) =>
    call('PATCH', `${eventsPath}/${pod}.1`, members, 'application/merge-patch+json');
  const requests = async () => {
    const path = '/apis/remediation.kubernaut.io/v1/remediationrequests';
    return (await call<{ items: RemediationRequest[] }>('GET', path)).items;
  };
  const pods = async () => (await requests()).map(({ spec }) => spec.resource.name).sort();
  const lease = () => call<Lease>('GET', leasePath);
  const watching = () =>
    eventually(async () => expect((await lease()).metadata.annotations?.['kubernaut.io/events-until']).toBeDefined());

  it('makes requests of warnings, and nothing of what is normal or its own', async () => {
    await start();
    await watching();
    await happens('fine', { type: 'Normal', reason: 'Pulled' });
    await happens('own', {
      involvedObject: {
        apiVersion: 'remediation.kubernaut.io/v1',
        kind: 'RemediationRequest',
        namespace: 'test',
        name: 'r',
      },
    });
    await happens('broken');
    await eventually(async () => expect(await pods()).toEqual(['broken']));
    const [request] = await requests();
    expect(request?.spec).toMatchObject({ alertName: 'BackOff', signalType: 'kubernetes-event', severity: 'warning' });
  });

  it('counts what happens again, and not what is merely written again', async () => {
    await start();
    await watching();
    await happens('broken');
    await eventually(async () => expect(await pods()).toEqual(['broken']));
    await happensAgain('broken', { metadata: { labels: { touched: 'yes' } } });
    await happensAgain('broken', { count: 2, lastTimestamp: new Date().toISOString() });
    await happensAgain('broken', { series: { count: 3, lastObservedTime: '2025-10-04T10:00:00.000000Z' } });
    await eventually(async () =>
      expect((await requests())[0]?.status?.deduplication).toMatchObject({ occurrenceCount: 3 }),
    );
    await delay(1_200);
    expect((await requests())[0]?.status?.deduplication?.occurrenceCount).toBe(3);
  });

  it('is done by one of two, and the other goes on where it stopped', async () => {
    const first = await start();
    await watching();
    const second = await start();
    await happens('before');
    await eventually(async () => expect(await pods()).toEqual(['before']));
    expect(second.way.count({ path: /events\?/ })).toBe(0);
    await stop(first.gateway);
    await happens('between');
    await eventually(async () => expect(await pods()).toEqual(['before', 'between']));
    await happens('after');
    await eventually(async () => expect(await pods()).toEqual(['after', 'before', 'between']));
  });

  it('takes what happened while nobody watched', async () => {
    const { gateway } = await start();
    await watching();
    await happens('before');
    await eventually(async () => expect(await pods()).toEqual(['before']));
    await stop(gateway);
    await happens('meanwhile');
    await start();
    await eventually(async () => expect(await pods()).toEqual(['before', 'meanwhile']));
    // Nothing was taken twice: its holder left how far it came.
    const before = (await requests()).find(({ spec }) => spec.resource.name === 'before');
    expect(before?.status?.deduplication?.occurrenceCount ?? 1).toBe(1);
  });

  it('tries again what cannot be taken, and takes others meanwhile', async () => {
    const { way } = await start();
    await watching();
    const quota = statusFault(403, { reason: 'Forbidden', message: 'exceeded quota: requests' });
    way.fail({ method: 'POST', path: /namespaces\/test\/remediationrequests/ }, quota, 2);
    await happens('first');
    await delay(300);
    await happens('second');
    await eventually(async () => expect(await pods()).toEqual(['first', 'second']));
    // The Lease has not gone past what was waiting, and does now.
    const { items } = await call<{ items: { metadata: { resourceVersion: string } }[] }>('GET', eventsPath);
    const latest = Math.max(...items.map(({ metadata }) => Number(metadata.resourceVersion)));
    await eventually(async () =>
      expect(Number((await lease()).metadata.annotations?.['kubernaut.io/events-until'])).toBeGreaterThanOrEqual(
        latest,
      ),
    );
  });

  it('makes nothing of what is told late: it happened before its request was over', async () => {
    await start();
    await watching();
    await happens('healed');
    await eventually(async () => expect(await pods()).toEqual(['healed']));
    const [request] = await requests();
    await call(
      'PATCH',
      `/apis/remediation.kubernaut.io/v1/namespaces/test/remediationrequests/${request?.metadata.name}/status`,
      { status: { overallPhase: 'Completed', completionTime: new Date().toISOString() } },
      'application/merge-patch+json',
    );
    await happensAgain('healed', { count: 2, lastTimestamp: new Date(Date.now() - 60_000).toISOString() });
    await eventually(async () =>
      expect((await requests())[0]?.status?.deduplication).toMatchObject({ occurrenceCount: 2 }),
    );
    expect((await requests())[0]?.status?.signal?.recurredAt ?? null).toBeNull();
    // This one is news: it becomes the next generation when the cooldown is over.
    await happensAgain('healed', { count: 3, lastTimestamp: new Date(Date.now() + 1_000).toISOString() });
    await eventually(async () => expect((await requests())[0]?.status?.signal?.recurredAt).toBeTruthy());
  });

  it('says that it is interrupted, in readiness, without being out of service', async () => {
    const { gateway, way } = await start();
    await watching();
    way.fail({ path: /\/events\?/ }, statusFault(403, { reason: 'Forbidden', message: 'no' }), Infinity);
    way.breakWatches();
    await eventually(async () => {
      const response = await fetch(`${gateway.url}/ready`);
      expect([response.status, await response.text()]).toEqual([
        200,
        expect.stringContaining('watch interrupted: events'),
      ]);
    });
  });
});
