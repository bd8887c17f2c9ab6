import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gateway } from '../../src/gateway';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { standaloneObjects } from '../../src/standalone/standalone';
import { startGatewayOn } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';

describe('without its API server the gateway', () => {
  let dataDir: string;
  let port: number;
  let api: KubernetesApiServer | undefined;
  let gateway: Gateway;

  const startApi = async () => {
    api = await startKubernetesApiServer({
      listen: { host: '127.0.0.1', port },
      dataDir,
      tokens: [{ token: 'good', username: 'system:serviceaccount:monitoring:alertmanager' }],
      objects: standaloneObjects(),
    });
  };
  const stopApi = async () => {
    await api?.close();
    api = undefined;
  };
  const post = async (pod: string) => {
    const begin = performance.now();
    const response = await fetch(`${gateway.url}/api/v1/signals/prometheus`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer good' },
      body: JSON.stringify({ alerts: [{ labels: { alertname: 'Away', namespace: 'test', pod } }] }),
    });
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body, seconds: (performance.now() - begin) / 1000 };
  };
  const ready = async () => {
    const response = await fetch(`${gateway.url}/ready`);
    return { status: response.status, text: await response.text() };
  };

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'gateway-api-away-'));
    port = await freePort();
    gateway = await startGatewayOn(`http://127.0.0.1:${port}`);
  });
  afterEach(async () => {
    await gateway.close();
    await stopApi();
    rmSync(dataDir, { recursive: true });
  });

  it('starts, is not ready, answers 503 that is retried, and is ready once the API server is there', async () => {
    expect(await ready()).toMatchObject({ status: 503, text: expect.stringContaining('not listed yet') });
    expect(await post('a')).toMatchObject({
      status: 503,
      body: { type: 'https://kubernaut.io/problems/authentication-unavailable' },
    });

    await startApi();
    await eventually(async () => expect((await ready()).status).toBe(200));
    expect((await post('a')).status).toBe(201);
  });

  it('answers 503 in time while it is away, and loses nothing afterwards', async () => {
    await startApi();
    await eventually(async () => expect((await ready()).status).toBe(200));
    expect((await post('known')).status).toBe(201);
    await stopApi();

    const unknown = await post('unknown');
    expect(unknown.status).toBe(503);
    expect(unknown.headers.get('retry-after')).toBe('5');
    expect(unknown.body).toMatchObject({ details: { reasons: ['kubernetes_unavailable'] } });
    expect(unknown.seconds).toBeLessThan(6);
    // What a request already carries is still known.
    expect((await post('known')).status).toBe(202);
    await eventually(async () => expect((await ready()).text).toMatch(/watch interrupted|calls are suspended/));

    await startApi();
    await eventually(async () => expect((await post('unknown')).status).toBe(201));
    expect((await post('unknown')).status).toBe(202);
    await eventually(async () =>
      expect(await ready()).toMatchObject({ status: 200, text: expect.not.stringContaining('interrupted') }),
    );
  });
});
