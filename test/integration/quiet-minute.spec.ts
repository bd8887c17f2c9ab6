import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { GatewayProcess } from '../support/gateway-process';
import { firing, webhook } from '../support/webhook';

/** Posts until what a webhook passes is compiled: some 200 functions. */
const posts = 12_000;
const atOnce = 8;
/** V8 waits 8 s for a process to be quiet, and again whenever it was not. */
const patienceMs = 60_000;

describe('a gateway that is quiet for a while', () => {
  let api: KubernetesApiServer;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    api = await startCluster();
    gateway = await GatewayProcess.start({
      api: api.url,
      redis: '',
      settings: { logging: { level: 'warn' }, rate_limit: { authenticated_requests_per_minute: 1_000_000 } },
      flags: ['--trace-opt', '--trace-deopt', '--trace-memory-reducer'],
    });
  }, 30_000);
  afterAll(async () => {
    await gateway.kill();
    await api.close();
  });

  it('keeps what V8 compiled for its webhooks when garbage is collected', async () => {
    const body = webhook(firing({ alertname: 'Quiet', namespace: 'test', pod: 'a' }));
    const post = async () => {
      for (let i = 0; i < posts / atOnce; i++) expect((await gateway.post(body)).status).toBeLessThan(300);
    };
    await Promise.all(Array.from({ length: atOnce }, post));
    const compiled = count(/completed optimizing/g);
    expect(compiled).toBeGreaterThan(100);
    await eventually(() => expect(gateway.output).toMatch(/Memory reducer: finished GC #1/), patienceMs);
    expect(count(/embedded weak objects cleared/g)).toBeLessThan(compiled / 20);
  }, 120_000);

  function count(pattern: RegExp): number {
    return [...gateway.output.matchAll(pattern)].length;
  }
});
