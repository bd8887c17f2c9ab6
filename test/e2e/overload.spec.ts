import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { KubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';
import { startCluster } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { GatewayProcess } from '../support/gateway-process';
import { requestsNamed, sender } from '../support/sender';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { beginPost } from '../support/unfinished-post';
import { firing, webhook } from '../support/webhook';

const prometheus = '/api/v1/signals/prometheus';
const grafana = '/api/v1/signals/grafana';
const authorized = { authorization: `Bearer ${sender.token}` };

const secret = 'a secret of Grafana';
const signature = (text: string) => ({
  'X-Grafana-Alerting-Signature': createHmac('sha256', secret).update(text).digest('hex'),
});

describe('more webhooks than there is memory for', () => {
  // Members that nobody knows are passed over; each of them takes some twenty times as much memory as of the body.
  const ballast = Array.from({ length: 340_000 }, () => ({}));
  let server: KubernetesApiServer;
  let api: FaultyApi;
  let gateway: GatewayProcess;
  beforeEach(async () => {
    server = await startCluster();
    api = await FaultyApi.start(server.url);
    // Three quarters of the chart's limit, as in the image.
    gateway = await GatewayProcess.start({
      api: api.url,
      redis: '',
      settings: { adapters: { grafana: { enabled: true, hmac: { secret } } } },
      flags: ['--max-old-space-size=384'],
    });
  });
  afterEach(async () => {
    await gateway.kill();
    await api.close();
    await server.close();
  });

  it('are refused for now, and all of them taken when they are sent again', async () => {
    const webhooks = Array.from({ length: 60 }, (_, i) => ({
      ...webhook(firing({ alertname: 'Flood', namespace: 'test', pod: `p${i}` })),
      ballast,
    }));
    const first = await Promise.all(webhooks.map((body) => gateway.post(body)));
    expect([201, 503]).toEqual(expect.arrayContaining(first.map(({ status }) => status)));
    await Promise.all(webhooks.map((body) => gateway.postUntilTaken(body, 50_000)));
    expect(await requestsNamed(api.url, 'Flood')).toHaveLength(60);
  }, 60_000);

  it('are forgotten when they are answered, though their connections are kept, and signed', async () => {
    const body = JSON.stringify({
      ...webhook(firing({ alertname: 'Kept', namespace: 'test' })),
      version: '1',
      ballast,
    });
    const sockets: Socket[] = [];
    for (let i = 0; i < 30; i++) {
      const socket = await beginPost(
        gateway.url,
        grafana,
        signature(body),
        `content-length: ${body.length}\r\n\r\n${body}`,
      );
      sockets.push(socket);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      // Nobody has granted Grafana anything here.
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([]);
    for (const socket of sockets) socket.destroy();
  }, 30_000);

  it('leave their room when they are refused for a body that cannot be read, though their senders keep the connections', async () => {
    const sockets = await Promise.all(
      [1, 2, 3].map(() =>
        beginPost(gateway.url, prometheus, authorized, 'transfer-encoding: chunked\r\n\r\nZZZ\r\n', true),
      ),
    );
    for (const socket of sockets) {
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect((await gateway.post(webhook(firing({ alertname: 'Behind', namespace: 'test' })))).status).toBe(201);
    for (const socket of sockets) socket.destroy();
  });

  it('take no room for long that do not say how long they are', async () => {
    api.fail({ method: 'POST', path: /\/remediationrequests\?/ }, { delayMs: 500 }, 20);
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const body = JSON.stringify(webhook(firing({ alertname: 'Chunked', namespace: 'test', pod: `p${i}` })));
        const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
        const socket = await beginPost(
          gateway.url,
          prometheus,
          authorized,
          `transfer-encoding: chunked\r\n\r\n${chunks}`,
        );
        const [answer] = (await once(socket, 'data')) as [Buffer];
        socket.destroy();
        return answer.toString().slice(0, 12);
      }),
    );
    expect(new Set(statuses)).toEqual(new Set(['HTTP/1.1 201']));
  });

  it('leave no room behind when their senders hang up before it is known who they are', async () => {
    api.fail({ method: 'POST', path: /\/tokenreviews/ }, { delayMs: 300 });
    const socket = await beginPost(gateway.url, prometheus, authorized, 'content-length: 900000\r\n\r\n{');
    await eventually(() => expect(api.count({ path: /\/tokenreviews/ })).toBe(1));
    socket.destroy();
    // It is let in by the same review.
    expect((await gateway.post(webhook(firing({ alertname: 'After', namespace: 'test', pod: 'a' })))).status).toBe(201);
    await eventually(async () => {
      const metrics = await (await fetch(gateway.metricsUrl)).text();
      expect(metrics).toContain('gateway_cache_entries{cache="webhooks_in_progress"} 0');
    });
  });
});

describe('a sender that takes all the room that one may have', () => {
  let gateway: TestGateway;
  let sockets: Socket[] = [];
  const share = 32 * 1024;

  const start = async () => {
    gateway = await startTestGateway({
      server: { max_bytes_in_progress: 2 * share, max_body_bytes: share, trusted_proxies: ['127.0.0.1'] },
      adapters: { grafana: { enabled: true, hmac: { secret } } },
    });
  };
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    await gateway.close();
  });

  const postHalf = async (path: string, headers: Record<string, string>, rest: string, allowHalfOpen = false) => {
    const socket = await beginPost(gateway.url, path, headers, rest, allowHalfOpen);
    sockets.push(socket);
    return socket;
  };
  const inProgress = () => gateway.metric('gateway_cache_entries', { cache: 'webhooks_in_progress' });
  const waiting = () => gateway.metric('gateway_cache_entries', { cache: 'webhooks_waiting' });
  const fill = async () => {
    const socket = await postHalf(
      prometheus,
      { authorization: `Bearer ${gateway.token}` },
      `content-length: ${share}\r\n\r\n{`,
    );
    await eventually(async () => expect(await inProgress()).toBe(1));
    return socket;
  };
  const alert = (pod: string) => webhook(firing({ alertname: 'Overload', namespace: 'test', pod }));

  /** A token of another account that may send. */
  const tokenOfAnother = async () => {
    await gateway.kubernetes('POST', '/api/v1/namespaces/monitoring/serviceaccounts', { metadata: { name: 'other' } });
    await allow('other', { kind: 'ServiceAccount', namespace: 'monitoring', name: 'other' });
    const request = await gateway.kubernetes<{ status: { token: string } }>(
      'POST',
      '/api/v1/namespaces/monitoring/serviceaccounts/other/token',
      { spec: { audiences: ['kubernaut-gateway'] } },
    );
    return request.status.token;
  };
  const allow = (name: string, subject: object) =>
    gateway.kubernetes('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: `${name}-sends-signals` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'gateway-signal-sender' },
      subjects: [subject],
    });

  it('is told to come again, its body unread, and takes no room from others', async () => {
    await start();
    const other = await tokenOfAnother();
    await fill();
    const refused = gateway.post(alert('a'));
    await eventually(async () => expect(await waiting()).toBe(1));
    expect((await gateway.post(alert('b'), { headers: { authorization: `Bearer ${other}` } })).status).toBe(201);
    expect(await refused).toMatchObject({
      status: 503,
      body: {
        type: 'https://kubernaut.io/problems/overloaded',
        status: 503,
        error: expect.stringContaining('send it again') as unknown,
        request_id: expect.any(String) as unknown,
      },
    });
    expect((await refused).headers.get('retry-after')).toBe('1');
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({ msg: 'request served', status: 503, problem: 'overloaded' }),
    );
    expect(await gateway.metric('gateway_webhooks_shed_total', { reason: 'no_room_in_time' })).toBe(1);
    expect(gateway.logged.filter(({ msg }) => msg === 'overloaded: webhooks are refused')).toHaveLength(1);
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('leaves the queue when it is refused for a body that cannot be read', async () => {
    await start();
    await fill();
    const broken = 'transfer-encoding: chunked\r\n\r\nZZZ\r\n';
    const waits = await postHalf(prometheus, { authorization: `Bearer ${gateway.token}` }, broken, true);
    const [answer] = (await once(waits, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    await eventually(async () => expect([await inProgress(), await waiting()]).toEqual([1, 0]));
    expect(waits.destroyed).toBe(false);
  });

  it('makes room when it hangs up, also while it waits', async () => {
    await start();
    const first = await fill();
    const second = await postHalf(
      prometheus,
      { authorization: `Bearer ${gateway.token}` },
      'content-length: 2\r\n\r\n',
    );
    await eventually(async () => expect(await waiting()).toBe(1));
    const third = gateway.post(alert('a'));
    second.destroy();
    first.destroy();
    expect((await third).status).toBe(201);
    await eventually(async () => expect([await inProgress(), await waiting()]).toEqual([0, 0]));
  });

  it('is not waited for when the answer is due, nor is the connection of one that is answered when the gateway stops', async () => {
    await start();
    const half = await fill();
    const headers = { authorization: `Bearer ${gateway.token}` };
    const waits = await postHalf(prometheus, headers, 'content-length: 2\r\n\r\n{}');
    const stranger = await postHalf(prometheus, { authorization: 'Bearer bad' }, 'content-length: 2\r\n\r\n{');
    const answers = [half, waits, stranger].map((socket) => {
      const answer = { text: '' };
      socket.on('data', (chunk) => (answer.text += chunk.toString()));
      return answer;
    });
    await eventually(async () => expect(await waiting()).toBe(1));
    await gateway.close();
    expect(answers.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 503 .*was not here when its answer was due/s),
      expect.stringMatching(/^HTTP\/1\.1 503 .*overloaded/s),
      expect.stringMatching(/^HTTP\/1\.1 401 /),
    ]);
    await start();
  }, 20_000);

  it('is counted by the largest body when it does not say how long its own is', async () => {
    await start();
    await postHalf(
      prometheus,
      { authorization: `Bearer ${gateway.token}` },
      'transfer-encoding: chunked\r\n\r\n1\r\n{',
    );
    await eventually(async () => expect(await inProgress()).toBe(1));
    expect((await gateway.post(alert('a'))).body).toMatchObject({
      type: 'https://kubernaut.io/problems/overloaded',
    });
  });

  it('and may not have signed, takes none from who did before', async () => {
    await start();
    await allow('grafana', { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'grafana' });
    const postSigned = async (pod: string, address: string) => {
      const body = JSON.stringify({ ...alert(pod), version: '1' });
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': address, ...signature(body) };
      return (await fetch(gateway.url + grafana, { method: 'POST', headers, body })).status;
    };
    const signedBefore = '192.0.2.1';
    expect(await postSigned('a', signedBefore)).toBe(201);
    for (const address of [2, 3, 4, 5, 5])
      await postHalf(
        grafana,
        { ...signature('?'), 'x-forwarded-for': `192.0.2.${address}` },
        `content-length: ${share}\r\n\r\n{`,
      );
    await eventually(async () => expect([await inProgress(), await waiting()]).toEqual([4, 1]));
    expect(await Promise.all([postSigned('b', signedBefore), postSigned('c', '192.0.2.6')])).toEqual([201, 503]);
  });
});
