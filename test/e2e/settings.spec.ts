import { once } from 'node:events';
import { connect } from 'node:net';
import type { Gateway } from '../../src/gateway';
import { eventually } from '../support/eventually';
import { startGatewayOn, untilReady } from '../support/a-cluster';
import { FaultyApi } from '../support/faulty-api';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { firing, webhook } from '../support/webhook';

/** Settings whose effect no other spec shows. */
describe('the setting', () => {
  let gateway: TestGateway;
  const start = async (settings: Record<string, object>) => {
    gateway = await startTestGateway(settings);
  };
  afterEach(() => gateway.close());
  const alert = (pod: string, alertname = 'Setting') => firing({ alertname, namespace: 'test', pod });

  it('signals.heartbeat_alerts names the alerts that only prove that the sender is alive', async () => {
    await start({ signals: { heartbeat_alerts: ['Pulse'] } });
    expect((await gateway.post(webhook(alert('a', 'Pulse')))).body).toMatchObject({ status: 'heartbeat' });
    expect((await gateway.post(webhook(alert('a', 'Watchdog')))).body).toMatchObject({ status: 'created' });
  });

  it('server.idle_timeout ends connections that nobody uses', async () => {
    await start({ server: { idle_timeout: '1s' } });
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname, () => socket.write('GET /health HTTP/1.1\r\nHost: gateway\r\n\r\n'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
    // By default it is kept for minutes.
    await once(socket, 'close');
  });

  it('server.write_timeout ends connections whose answers nobody reads', async () => {
    await start({ server: { write_timeout: '5s' } });
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname).pause();
    // More than the buffers of a connection hold.
    socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: gateway\r\n\r\n'.repeat(10));
    // Node looks twice: whether anything was written since it looked last.
    const cutOff = { method: 'GET', route: '/docs/*', status: '499' };
    await eventually(async () => expect(await gateway.metric('gateway_http_requests_total', cutOff)).toBe(1));
    socket.destroy();
  }, 20_000);

  it('environment.configmap_namespace and configmap_name say where environments are overridden', async () => {
    await start({ environment: { configmap_namespace: 'staging-checkout', configmap_name: 'environments' } });
    await gateway.kubernetes('POST', '/api/v1/namespaces/staging-checkout/configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'environments' },
      data: { test: 'canary' },
    });
    let pods = 0;
    const environment = async () => (await gateway.post(webhook(alert(`pod-${pods++}`)))).body.environment as string;
    await eventually(async () => expect(await environment()).toBe('canary'));
  });

  it('storm_detection.flush_interval is how long members wait to share a write', async () => {
    await start({ storm_detection: { enabled: true, pattern_threshold: 1, flush_interval: '2s' } });
    await gateway.post(webhook(alert('a')));
    await gateway.post(webhook(alert('b')));
    const begin = performance.now();
    expect((await gateway.post(webhook(alert('c')))).body.status).toBe('storm_aggregated');
    expect(performance.now() - begin).toBeGreaterThan(1_500);
  });

  it('storm_detection.max_window is how long a storm takes new members, however many come', async () => {
    await start({
      storm_detection: { enabled: true, pattern_threshold: 1, aggregation_window: '1h', max_window: '2s' },
    });
    let pods = 0;
    const status = async () => (await gateway.post(webhook(alert(`pod-${pods++}`)))).body.status;
    expect(await status()).toBe('created');
    expect(await status()).toBe('created');
    expect(await status()).toBe('storm_aggregated');
    await eventually(async () => expect(await status()).toBe('created'));
  });

  it('deduplication.ttl is how long an incident is remembered in this process, and cleanup_interval when it is forgotten', async () => {
    await start({ deduplication: { ttl: '1s', cleanup_interval: '1s' } });
    await gateway.post(webhook(alert('a')));
    const remembered = async () => gateway.metric('gateway_cache_entries', { cache: 'fingerprints' });
    expect(await remembered()).toBe(1);
    await eventually(async () => expect(await remembered()).toBe(0));
  });

  describe('of calls to the API server:', () => {
    let api: FaultyApi;
    let behind: Gateway;
    const startBehind = async (kubernetes: object) => {
      await start({});
      api = await FaultyApi.start(gateway.apiUrl);
      behind = await startGatewayOn(api.url, { kubernetes });
      await untilReady(behind);
    };
    const creates = { method: 'POST', path: /\/remediationrequests\?(?!.*dryRun)/ };
    const post = async (...alerts: object[]) =>
      fetch(`${behind.url}/api/v1/signals/prometheus`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer the-good-token' },
        body: JSON.stringify(webhook(...alerts)),
      });
    afterEach(async () => {
      api.heal();
      await behind.close();
      await api.close();
    });

    it.each([
      ['500ms', 3],
      ['4s', 2],
    ])('kubernetes.call_timeout %s bounds each attempt', async (callTimeout, attempts) => {
      await startBehind({ call_timeout: callTimeout });
      expect((await post(alert('known'))).status).toBe(201);
      const before = api.count(creates);
      api.fail(creates, 'hang', 10);
      expect((await post(alert('a'))).status).toBe(503);
      // Three attempts at the most; the second of two that take long is ended by the deadline of the webhook.
      expect(api.count(creates) - before).toBeLessThanOrEqual(attempts);
      expect(api.count(creates) - before > 1).toBe(callTimeout === '500ms');
    });

    it.each([
      [1, 1],
      [6, 3],
    ])('kubernetes.max_writes_in_flight %d bounds creates, of which a namespace has half', async (all, most) => {
      await startBehind({ max_writes_in_flight: all });
      let [inFlight, peak] = [0, 0];
      api.fail(
        creates,
        {
          before: async () => {
            peak = Math.max(peak, ++inFlight);
            await new Promise((resolve) => setTimeout(resolve, 100));
            inFlight--;
          },
        },
        6,
      );
      expect((await post(...['a', 'b', 'c', 'd', 'e', 'f'].map((pod) => alert(pod)))).status).toBe(201);
      expect(peak).toBe(most);
    });
  });
});
