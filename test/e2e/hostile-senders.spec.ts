import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { beginPost } from '../support/unfinished-post';
import { firing, webhook } from '../support/webhook';

const signals = '/api/v1/signals/prometheus';
const bad = { authorization: 'Bearer bad' };

describe('of a sender that means harm', () => {
  let gateway: TestGateway;
  const start = async (settings: Record<string, object> = {}) => {
    gateway = await startTestGateway(settings);
  };
  afterEach(() => gateway.close());

  it('no link is fetched, wherever it stands', async () => {
    let visits = 0;
    const server = createServer((_, response) => response.end()).on('connection', () => (visits += 1));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest/meta-data`;
    await start({ adapters: { grafana: { enabled: true } } });
    const links = Object.fromEntries(
      ['generatorURL', 'dashboardURL', 'panelURL', 'silenceURL', 'imageURL'].map((name) => [name, link]),
    );
    const alert = (pod: string) =>
      firing({ alertname: 'Linked', namespace: 'test', pod }, { ...links, annotations: { runbook_url: link } });
    const answers = [
      await gateway.post({ ...webhook(alert('a')), externalURL: link }),
      await gateway.post(
        { version: '1', externalURL: link, alerts: [alert('b')] },
        { path: '/api/v1/signals/grafana' },
      ),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    const taken = (await gateway.requests()).map(({ spec }) => spec.metadata.generatorURL);
    expect(taken).toEqual([link, link]);
    server.close();
    expect(visits).toBe(0);
  });

  it('headers that are too large are not read', async () => {
    await start({ server: { max_header_bytes: 4096 } });
    const answer = await gateway.post(webhook(), { headers: { 'x-padding': 'x'.repeat(5000) } });
    expect([answer.status, answer.body.type]).toEqual([431, 'https://kubernaut.io/problems/headers-too-large']);
    expect(await gateway.requests()).toEqual([]);
  });

  it('a thousand headers are refused, and their connection is closed, whoever sends them', async () => {
    await start();
    const headers = Object.fromEntries(Array.from({ length: 950 }, (_, i) => [`h${i}`, 'x']));
    const socket = await beginPost(gateway.url, signals, { ...bad, ...headers }, 'content-length: 2\r\n\r\n{');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('More than 100 headers');
    expect((await gateway.post(webhook())).status).toBe(400);
  });

  it.each([
    ['headers', (): string => `POST ${signals} HTTP/1.1\r\nHost: gateway\r\n`],
    [
      'a body',
      (token: string): string =>
        `POST ${signals} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    ],
  ])('%s that never end are not waited for', async (_what, beginning) => {
    await start({ server: { read_timeout: '1s' } });
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname, () => socket.write(beginning(gateway.token)));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('https://kubernaut.io/problems/request-timeout');
  });

  it('every route asks for a token but those of probes and of the documentation', async () => {
    await start({ adapters: { grafana: { enabled: true } } });
    const document = (await (await fetch(`${gateway.url}/docs/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const open: string[] = [];
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of Object.keys(methods)) {
        const { status } = await fetch(gateway.url + path, { method: method.toUpperCase(), headers: bad });
        if (status !== 401) open.push(`${method} ${path}`);
      }
    expect(open.sort()).toEqual(['get /health', 'get /healthz', 'get /ready', 'get /readyz']);
    expect(Object.keys(document.paths).filter((path) => path.startsWith('/api/'))).toHaveLength(3);
  });

  describe('whose proxy is trusted', () => {
    const refused = async (forwarded: string) =>
      (await gateway.post(webhook(), { headers: { ...bad, 'x-forwarded-for': forwarded } })).status;

    it('the address is the right-most one that is no proxy, whatever it writes before that', async () => {
      await start({ server: { trusted_proxies: ['127.0.0.1', '10.0.0.0/8'] } });
      for (let i = 0; i < 10; i++) expect(await refused(`192.0.2.${i}, 198.51.100.7, 10.1.1.1`)).toBe(401);
      expect(await refused('192.0.2.99, 198.51.100.7, 10.1.1.1')).toBe(429);
      expect(await refused('198.51.100.8')).toBe(401);
      expect(gateway.logged).toContainEqual(
        expect.objectContaining({ msg: 'rate limit exceeded', client_ip: '198.51.100.7' }),
      );
    });

    it('addresses of IPv6 are limited by their network of 64 bits', async () => {
      await start({ server: { trusted_proxies: ['127.0.0.1'] } });
      for (let i = 0; i < 10; i++) expect(await refused(`2001:db8:1:1::${i}`)).toBe(401);
      expect(await refused('2001:db8:1:1:ffff::1')).toBe(429);
      expect(await refused('2001:db8:1:2::1')).toBe(401);
    });
  });
});
