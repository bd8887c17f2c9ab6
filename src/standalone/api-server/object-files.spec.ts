import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKubernetesApiServer } from './kubernetes-api-server';

describe('objects kept as files', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'standalone-objects-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  const start = () =>
    startKubernetesApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      dataDir,
      tokens: [],
      objects: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'test' } }],
    });
  const configMap = (name: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: { key: 'wert: "ü"\n- x' },
  });
  const path = '/api/v1/namespaces/test/configmaps';
  const post = (url: string, body: object) =>
    fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

  it('are there again after a restart, and versions go on from where they were', async () => {
    const first = await start();
    const created = (await (await post(first.url, configMap('kept'))).json()) as {
      metadata: { resourceVersion: string };
    };
    await first.close();

    const second = await start();
    expect(await (await fetch(`${second.url}${path}/kept`)).json()).toEqual(created);
    const next = (await (await post(second.url, configMap('later'))).json()) as {
      metadata: { resourceVersion: string };
    };
    expect(Number(next.metadata.resourceVersion)).toBeGreaterThan(Number(created.metadata.resourceVersion));
    await second.close();
  });

  it('are gone after they were deleted', async () => {
    const first = await start();
    await post(first.url, configMap('short'));
    await fetch(`${first.url}${path}/short`, { method: 'DELETE' });
    await first.close();
    const second = await start();
    expect((await fetch(`${second.url}${path}/short`)).status).toBe(404);
    await second.close();
  });

  it('name the file that cannot be read', async () => {
    writeFileSync(join(dataDir, 'broken.yaml'), 'a: [');
    await expect(start()).rejects.toThrow('broken.yaml is not a Kubernetes object');
  });
});
