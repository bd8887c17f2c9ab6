import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { GatewayProcess } from '../support/gateway-process';
import { requestsNamed } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const creates = { method: 'POST', path: /\/remediationrequests\?fieldValidation=Strict$/ };

/** Without a shared memory the names of objects alone keep two gateways from making two of one incident. */
describe('a gateway without Redis that is killed with -9', () => {
  let server: KubernetesApiServer;
  let api: FaultyApi;
  let survivor: GatewayProcess;
  let doomed: GatewayProcess;

  beforeAll(async () => {
    server = await startCluster();
    survivor = await GatewayProcess.start({ api: server.url, redis: '' });
  }, 30_000);
  afterAll(async () => {
    await survivor.kill();
    await server.close();
  });

  beforeEach(async () => {
    api = await FaultyApi.start(server.url);
    doomed = await GatewayProcess.start({ api: api.url, redis: '' });
  });
  afterEach(async () => {
    await doomed.kill();
    await api.close();
  });

  /** For a hook: it dies, and what was under way goes no further. */
  const kill = async () => {
    await doomed.kill();
    throw new Error('the gateway is dead');
  };
  const requestsOf = (alertname: string) => requestsNamed(server.url, alertname);
  const alert = (alertname: string, pod = 'a') => firing({ alertname, namespace: 'test', pod });
  const expectDuplicateOf = async (request: RemediationRequest | undefined, body: object) => {
    expect(await survivor.postUntilTaken(body)).toMatchObject({
      status: 202,
      body: { status: 'duplicate', metadata: { remediation_request_ref: request?.metadata.name } },
    });
  };

  it.each([
    ['before the create', 'AloneBeforeCreate', 'before', 0, 201],
    ['after the create, before it knows', 'AloneAfterCreate', 'after', 1, 202],
  ] as const)(
    'loses nothing and doubles nothing: %s',
    async (_, name, when, created, status) => {
      api.fail(creates, when === 'before' ? { before: kill } : { after: kill });
      const body = webhook(alert(name));
      await expect(doomed.post(body)).rejects.toThrow('fetch failed');
      expect(await doomed.ended).toBe('SIGKILL');
      expect(await requestsOf(name)).toHaveLength(created);

      expect((await survivor.postUntilTaken(body)).status).toBe(status);
      const [request, ...others] = await requestsOf(name);
      expect(others).toEqual([]);
      await expectDuplicateOf(request, body);
      expect(await requestsOf(name)).toHaveLength(1);
    },
    60_000,
  );

  it('doubles nothing when its create arrives after its sender went on with the other', async () => {
    const network = await FaultyApi.start(api.url);
    const late = await GatewayProcess.start({ api: network.url, redis: '' });
    const landed = Promise.withResolvers<void>();
    const body = webhook(alert('AloneLateCreate'));
    api.fail(creates, { after: () => landed.resolve() });
    network.fail(creates, {
      async before() {
        await late.kill();
        expect((await survivor.postUntilTaken(body)).status).toBe(201);
      },
    });
    await expect(late.post(body)).rejects.toThrow('fetch failed');
    await landed.promise;

    const [request, ...others] = await requestsOf('AloneLateCreate');
    expect(others).toEqual([]);
    await expectDuplicateOf(request, body);
    expect(await requestsOf('AloneLateCreate')).toHaveLength(1);
    await network.close();
  }, 60_000);

  it('loses and doubles none of 20 alerts when it dies after ten creates', async () => {
    const alerts = Array.from({ length: 20 }, (_, i) => alert('AloneHalfWay', `pod-${i}`));
    api.fail(creates, { delayMs: 0 }, 9);
    api.fail(creates, { after: kill });
    api.fail(creates, 'hang', 100);
    await expect(doomed.post(webhook(...alerts))).rejects.toThrow('fetch failed');
    // The tenth may be stored before those beside it.
    await eventually(async () => expect(await requestsOf('AloneHalfWay')).toHaveLength(10));

    expect((await survivor.postUntilTaken(webhook(...alerts))).status).toBeLessThan(300);
    const pods = (await requestsOf('AloneHalfWay')).map(({ spec }) => spec.resource.name);
    expect(pods).toHaveLength(20);
    expect(new Set(pods).size).toBe(20);
  }, 60_000);
});
