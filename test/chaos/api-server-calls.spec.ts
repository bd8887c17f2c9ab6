import type { Gateway } from '../../src/gateway';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { eventually } from '../support/eventually';
import { startCluster, startGatewayOn, untilReady } from '../support/a-cluster';
import { FaultyApi, statusFault, type Fault } from '../support/faulty-api';
import { postWebhook, requestsNamed, sender } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const creates = { method: 'POST', path: /\/remediationrequests\?fieldValidation=Strict$/ };
const tokenReviews = { method: 'POST', path: /tokenreviews/ };
const internalError = statusFault(500, { reason: 'InternalError' });

/** How often the API server is asked, and what the sender is told meanwhile. */
describe('of an API server that has trouble, the gateway', () => {
  let server: KubernetesApiServer;
  let api: FaultyApi;
  let gateway: Gateway;

  beforeEach(async () => {
    server = await startCluster([sender, { ...sender, token: 'other' }]);
    api = await FaultyApi.start(server.url);
    gateway = await startGatewayOn(api.url);
    await untilReady(gateway);
    // The caller is known and may send from here on.
    expect((await post('Before')).status).toBe(201);
    api.calls.length = 0;
  });
  afterEach(async () => {
    await gateway.close();
    await api.close();
    await server.close();
  });

  const post = (alertname: string, token?: string) =>
    postWebhook(gateway.url, webhook(firing({ alertname, namespace: 'test', pod: 'a' })), token);
  const requestsOf = (alertname: string) => requestsNamed(server.url, alertname);

  it.each<[string, Fault]>([
    ['429', statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '1' })],
    ['500', internalError],
    ['503', statusFault(503, { reason: 'ServiceUnavailable' })],
    ['401', statusFault(401, { reason: 'Unauthorized' })],
    ['a connection that breaks', 'reset'],
    ['an answer that is lost', 'lose-answer'],
  ])('asks once more after %s', async (_, fault) => {
    api.fail(creates, fault);
    expect(await post('Once')).toMatchObject({ status: 201, body: { status: 'created' } });
    expect(api.count(creates)).toBe(2);
    expect(await requestsOf('Once')).toHaveLength(1);
  });

  it('does not ask again before the time that it named', async () => {
    api.fail(creates, statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '1' }));
    const begin = performance.now();
    expect((await post('Named')).status).toBe(201);
    expect(performance.now() - begin).toBeGreaterThan(900);
  });

  it('asks once for what is only slow', async () => {
    api.fail(creates, { delayMs: 300 });
    expect((await post('Slow')).status).toBe(201);
    expect(api.count(creates)).toBe(1);
  });

  it('tells its sender when to come again, from the first failure until calls are suspended', async () => {
    api.fail({}, internalError, 1_000);
    const retryAfters: unknown[] = [];
    for (let i = 0; i < 8; i++) {
      const { status, headers } = await post('Persistent');
      retryAfters.push([status, headers.get('retry-after')]);
    }
    expect(retryAfters).toEqual(Array.from({ length: 8 }, () => [503, '5']));
    // Two webhooks were tried, three calls each at the most: the others met suspended calls, or a single probe.
    expect(api.count(creates)).toBeLessThan(8);
    expect(await requestsOf('Persistent')).toEqual([]);

    api.heal();
    await eventually(async () => expect((await post('Persistent')).status).toBe(201));
    expect(await requestsOf('Persistent')).toHaveLength(1);
  });

  it.each<[string, Fault]>([
    ['500', internalError],
    ['429', statusFault(429, { reason: 'TooManyRequests' }, { 'retry-after': '10' })],
    ['no answer', 'hang'],
    ['a connection that breaks', 'reset'],
  ])('asks anew about a caller whose review failed, at the very next webhook: %s', async (_, fault) => {
    api.fail(tokenReviews, fault, 99);
    expect((await post('Reviewed', 'other')).status).toBe(503);
    const reviews = api.count(tokenReviews);
    expect(reviews).toBeGreaterThan(0);
    expect(await requestsOf('Reviewed')).toEqual([]);

    api.heal();
    expect((await post('Reviewed', 'other')).status).toBe(201);
    expect(api.count(tokenReviews)).toBe(reviews + 1);
    expect(await requestsOf('Reviewed')).toHaveLength(1);
  });
});
