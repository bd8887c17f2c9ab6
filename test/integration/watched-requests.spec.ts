import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../src/clock';
import { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { RemediationRequestClient } from '../../src/kubernetes/remediation-request.client';
import { RemediationRequestIndex } from '../../src/kubernetes/remediation-request.index';
import { RecordingLog } from '../support/recording-log';
import { until } from '../support/until';

const count = 5_000;
const pageSize = 100;

/** Requests as large as alerts make them: 5,000 of them are 400 MB of JSON. */
describe('the index of 5,000 requests', () => {
  let server: Server;
  let api: KubernetesApi;
  const fingerprintOf = (i: number) => i.toString(16).padStart(64, '0');
  const request = (i: number) => ({
    metadata: {
      namespace: `namespace-${i % 50}`,
      name: `remediation-a-${i}`,
      resourceVersion: String(i),
      creationTimestamp: '2025-10-04T10:00:00Z',
      labels: { 'kubernaut.io/fingerprint': fingerprintOf(i).slice(0, 63) },
      managedFields: [{ manager: 'gateway', fieldsV1: { x: 'y'.repeat(2_000) } }],
    },
    spec: {
      alertName: 'A',
      severity: 'critical',
      fingerprint: fingerprintOf(i),
      generation: 1,
      firingAlerts: [{ fingerprint: i.toString(16).padStart(16, '0'), startsAt: '2025-10-04T10:00:00Z' }],
      labels: { alertname: 'A', text: 'x'.repeat(10_000) },
      originalPayload: 'x'.repeat(64 * 1024),
    },
    status: { overallPhase: i % 2 ? 'Completed' : 'Executing', completionTime: '2025-10-04T10:10:00Z' },
  });

  beforeAll(async () => {
    server = createServer(({ url = '' }, response) => {
      const query = new URL(url, 'http://localhost').searchParams;
      if (query.has('watch')) {
        response.flushHeaders();
        return;
      }
      const start = Number(query.get('continue') ?? 0);
      const items = Array.from({ length: pageSize }, (_, i) => request(start + i));
      const more = start + pageSize < count ? { continue: String(start + pageSize) } : {};
      response.end(JSON.stringify({ metadata: { resourceVersion: String(count), ...more }, items }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const log = new RecordingLog();
    api = await KubernetesApi.connect(
      { kubeconfig: '', context: '', server: `http://127.0.0.1:${port}`, connections: 4, callTimeoutMs: 2_000 },
      log,
    );
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await api.close();
  });

  async function synced(): Promise<RemediationRequestIndex> {
    const client = new RemediationRequestClient(api, 24);
    const index = new RemediationRequestIndex(api, client, systemClock, new RecordingLog());
    index.cache.start();
    await until(() => index.cache.synced);
    return index;
  }

  it('holds little of each, and finds every one', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const heapUsed = () => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    // What the code and the connections take is taken by the first.
    const first = await synced();
    const before = heapUsed();
    const index = await synced();
    const bytesOfEach = (heapUsed() - before) / count;
    await first.cache.stop();

    expect(index.cache.size).toBe(count);
    expect(bytesOfEach).toBeGreaterThan(300);
    expect(bytesOfEach).toBeLessThan(900);
    for (const i of [0, 1, 4_999]) {
      const [found] = await index.find(fingerprintOf(i), new AbortController().signal);
      expect(found).toMatchObject({ name: `remediation-a-${i}`, fingerprint: fingerprintOf(i) });
    }
    await index.cache.stop();
  }, 120_000);
});
