import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { Certificates } from '../support/certificates';
import { RecordingLog } from '../support/recording-log';

describe('the way to the API server', () => {
  const tokens: (string | undefined)[] = [];
  let certificates: Certificates;
  let strangers: Certificates;
  let server: Server;
  let directory: string;
  beforeAll(async () => {
    certificates = new Certificates();
    strangers = new Certificates();
    directory = mkdtempSync(join(tmpdir(), 'api-server-tls-'));
    const { cert, key } = certificates.issue('kubernetes');
    server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      tokens.push(request.headers.authorization);
      response.end('{"fine":true}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    certificates.remove();
    strangers.remove();
    rmSync(directory, { recursive: true });
  });

  async function call(cluster: object): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const kubeconfig = join(directory, 'kubeconfig');
    const config = {
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, ...cluster } }],
      users: [{ name: 'u', user: { token: 'of-the-gateway' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const options = { kubeconfig, context: '', connections: 1, callTimeoutMs: 2_000 };
    const api = await KubernetesApi.connect(options, new RecordingLog());
    return api.call('GET', '/x', { repeat: false }).finally(() => api.close());
  }

  it('is used when its certificate is one of the authority that the kubeconfig names', async () => {
    expect(await call({ 'certificate-authority': certificates.ca })).toEqual({ fine: true });
    expect(tokens.splice(0)).toEqual(['Bearer of-the-gateway']);
  });

  it.each([
    ['of another authority', () => ({ 'certificate-authority': strangers.ca })],
    ['of no authority that the system knows', () => ({})],
    [
      'for another name',
      () => ({ 'certificate-authority': certificates.ca, 'tls-server-name': 'elsewhere.example.com' }),
    ],
  ])('carries no token when its certificate is %s', async (_, cluster) => {
    await expect(call(cluster())).rejects.toMatchObject({ failure: 'unavailable' });
    expect(tokens).toEqual([]);
  });
});
