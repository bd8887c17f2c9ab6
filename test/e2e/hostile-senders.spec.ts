import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { eventually } from '../support/eventually';
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
    const id = /"request_id":"([^"]+)"/.exec(answer)?.[1];
    const served = () => gateway.logged.filter(({ msg, request_id }) => msg === 'request served' && request_id === id);
    const route = _what === 'headers' ? 'unmatched' : signals;
    await eventually(() => expect(served()).toMatchObject([{ status: 408, route }]));
  });

  /** Whatever happened before. */
  const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

  /** All gateways of a process count together. */
  const counted = async (labels: Record<string, string>) => {
    const statuses = labels.status === undefined ? ['201', '499'] : [labels.status];
    const counts = statuses.map((status) => gateway.metric('gateway_http_requests_total', { ...labels, status }));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };

  /** Uploads until the connection is closed: what was answered, and how much could be sent. */
  const upload = async (head: string) => {
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const chunk = `${(16 * 1024).toString(16)}\r\n${'x'.repeat(16 * 1024)}\r\n`;
    let [answer, sent] = ['', 0];
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('error', () => undefined);
    socket.write(`${head} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const more = () => {
      if (socket.destroyed || sent >= 20 * 2 ** 20) return;
      sent += chunk.length;
      if (socket.write(chunk)) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
    await closed(socket);
    return { status: answer.slice(9, 12), sent };
  };

  it.each([
    ['GET /health', '200'],
    ['POST /health', '405'],
    ['POST /nowhere', '404'],
    ['POST /%zz', '400'],
    [`POST ${signals}`, '401'],
  ])('what is uploaded to %s is not read', async (head, status) => {
    await start();
    const answer = await upload(head);
    expect(answer.status).toBe(status);
    expect(answer.sent).toBeLessThan(8 * 2 ** 20);
  });

  it('what is uploaded compressed is not read, whoever sends it', async () => {
    await start();
    const { status, sent } = await upload(
      `POST ${signals} HTTP/1.1\r\nAuthorization: Bearer ${gateway.token}\r\nContent-Encoding: gzip\r\nX-Rest:`,
    );
    expect(status).toBe('415');
    expect(sent).toBeLessThan(8 * 2 ** 20);
  });

  it('who hangs up before the answer is counted, and has a line', async () => {
    await start();
    const alerts = Array.from({ length: 200 }, (_, i) =>
      firing({ alertname: 'Gone', namespace: 'test', pod: `p${i}` }),
    );
    const body = JSON.stringify(webhook(...alerts));
    const headers = { authorization: `Bearer ${gateway.token}`, 'x-request-id': 'hung-up' };
    const before = await counted({ method: 'POST', route: signals });
    const socket = await beginPost(gateway.url, signals, headers, `content-length: ${body.length}\r\n\r\n${body}`);
    await eventually(() => expect(gateway.logged).toContainEqual(expect.objectContaining({ msg: 'signal processed' })));
    socket.destroy();
    const lines = () => gateway.logged.filter((line) => line.msg === 'request served' && line.request_id === 'hung-up');
    await eventually(() => expect(lines()).toHaveLength(1));
    const [line] = lines();
    // It may have been answered just before.
    expect([499, 201]).toContain(line?.status);
    expect((await counted({ method: 'POST', route: signals })) - before).toBe(1);
  });

  it.each([
    ['hangs up', '{"alerts":', 499],
    ['ends its side', '{"alerts":', 499],
    ['goes on with rubbish', 'zz\r\n', 400],
  ])('who sends half of a body and %s is counted once', async (what, half, status) => {
    await start();
    const before = await counted({ method: 'other', route: 'unmatched', status: '400' });
    const headers = { authorization: `Bearer ${gateway.token}`, 'x-request-id': 'half' };
    const length = status === 400 ? 'transfer-encoding: chunked' : 'content-length: 1000';
    const socket = await beginPost(gateway.url, signals, headers, `${length}\r\n\r\n`);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write(half);
    if (what === 'ends its side') socket.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    const lines = () => gateway.logged.filter((line) => line.msg === 'request served' && line.request_id === 'half');
    await eventually(() => expect(lines()).toMatchObject([{ status, route: signals }]));
    expect(answer.toLowerCase().includes('x-request-id: half')).toBe(status === 400);
    expect(await counted({ method: 'other', route: 'unmatched', status: '400' })).toBe(before);
  });

  it.each([
    ['nowhere', 'POST /nowhere', '', 404],
    ['to a probe', 'GET /health', '', 200],
    ['without a token', `POST ${signals}`, 'Authorization: Bearer bad\r\n', 401],
  ])('who sends half of a body %s is answered once, and told once', async (_, head, headers, status) => {
    await start();
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname, () =>
      socket.write(
        `${head} HTTP/1.1\r\nHost: gateway\r\n${headers}X-Request-ID: once\r\nContent-Length: 50\r\n\r\nhello`,
      ),
    );
    const unread = { method: 'other', route: 'unmatched', status: '400' };
    const before = await counted(unread);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    await eventually(() => expect(answer).toContain('\r\n\r\n'));
    socket.end();
    await closed(socket);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(gateway.logged.filter((line) => line.msg === 'request served' && line.request_id === 'once')).toHaveLength(
      1,
    );
    expect(await counted(unread)).toBe(before);
  });

  /** What comes back for a text until the connection is closed. */
  const answersTo = async (text: string) => {
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answers = '';
    socket.on('data', (chunk) => (answers += chunk.toString()));
    socket.on('error', () => undefined);
    await closed(socket);
    return answers;
  };

  it('who sends rubbish behind a webhook has the answer to the webhook', async () => {
    await start();
    const body = JSON.stringify(webhook(firing({ alertname: 'Followed', namespace: 'test', pod: 'a' })));
    const headers = { authorization: `Bearer ${gateway.token}` };
    const rest = `content-length: ${body.length}\r\n\r\n${body}this is not HTTP\r\n\r\n`;
    const socket = await beginPost(gateway.url, signals, headers, rest);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(answer).toContain('"status":"created"');
  });

  it.each([
    ['rubbish', 'this is not HTTP\r\n\r\n', 400],
    ['a path that cannot be decoded', 'GET /%zz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n', 400],
    [
      'a path that cannot be decoded, and a body that cannot be read',
      'POST /%zz HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
    ['a request to lead on to another server', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', 405],
    ['headers without an end', `GET / HTTP/1.1\r\nHost: gateway\r\nX: ${'x'.repeat(70_000)}`, 431],
  ])('%s is refused as all else is, and counted', async (_, text, status) => {
    await start();
    const labels = { method: 'other', route: 'unmatched', status: String(status) };
    const before = await counted(labels);
    const answer = await answersTo(text);
    const [head = '', body = '{}'] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head.toLowerCase()).toContain('content-type: application/problem+json');
    const { request_id, ...problem } = JSON.parse(body) as Record<string, unknown>;
    expect(head.toLowerCase()).toContain(`x-request-id: ${String(request_id)}`);
    expect(problem).toMatchObject({ status, processing_time_ms: 0, detail: problem.error });
    expect(gateway.logged).toContainEqual(expect.objectContaining({ msg: 'request served', request_id, status }));
    expect((await counted(labels)) - before).toBe(1);
  });

  const get = (path: string, ...headers: string[]) =>
    `GET ${path} HTTP/1.1\r\n${['Host: gateway', ...headers].map((header) => `${header}\r\n`).join('')}\r\n`;
  const statusesOf = (answers: string) =>
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

  it('requests that are sent ahead are answered in their order, also with rubbish behind them', async () => {
    await start();
    const ahead = [get('/ready'), get('/nowhere'), get('/health')].join('');
    expect(statusesOf(await answersTo(`${ahead}this is not HTTP\r\n\r\n`))).toEqual([200, 404, 200]);
    expect(statusesOf(await answersTo(ahead + get('/%zz', 'Connection: close')))).toEqual([200, 404, 200, 400]);
  });

  it('a connection on which many requests wait for answers is ended, and counted once', async () => {
    await start();
    const labels = { method: 'other', route: 'unmatched', status: '503' };
    const before = await counted(labels);
    const served = () =>
      gateway.metric('gateway_http_requests_total', { method: 'GET', route: '/ready', status: '200' });
    const servedBefore = await served();
    await answersTo(get('/ready').repeat(2_000));
    expect((await counted(labels)) - before).toBe(1);
    expect((await served()) - servedBefore).toBeLessThan(2);
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({
        msg: 'request served',
        reason: expect.stringContaining('Too many requests') as unknown,
      }),
    );
  });

  it('nothing is done about what follows an answer that ends the connection, and it is counted', async () => {
    await start();
    const labels = { method: 'other', route: 'unmatched', status: '499' };
    const before = await counted(labels);
    const many = Array.from({ length: 101 }, (_, i) => `H${i}: x`);
    const body = JSON.stringify(webhook(firing({ alertname: 'Followed', namespace: 'test', pod: 'a' })));
    const post = `POST ${signals} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${gateway.token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    expect(statusesOf(await answersTo(get('/ready', ...many) + post))).toEqual([431]);
    expect((await counted(labels)) - before).toBe(1);
    expect(await gateway.requests()).toEqual([]);
  });

  it('a webhook that is followed by a request to lead on to another server has its answer', async () => {
    await start();
    expect(
      statusesOf(await answersTo(`${get('/ready')}${get('/health')}CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n`)),
    ).toEqual([200, 200]);
  });

  it('a request without a host is refused as all else is, where HTTP asks for one', async () => {
    await start();
    const answer = await answersTo('GET /health HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*no Host header/s);
    expect(statusesOf(await answersTo('GET /health HTTP/1.0\r\n\r\n'))).toEqual([200]);
  });

  it.each([
    ['is asked for it when there is room for it', 'good', [100, 201]],
    ['is not, when he is refused', 'bad', [401]],
  ])('who asks before he sends a body %s', async (_, token, statuses) => {
    await start();
    const body = JSON.stringify(webhook(firing({ alertname: 'Asked', namespace: 'test', pod: 'a' })));
    const authorization = `Bearer ${token === 'good' ? gateway.token : token}`;
    const headers = {
      authorization,
      expect: '100-continue',
      connection: 'close',
      'content-length': String(body.length),
    };
    const socket = await beginPost(gateway.url, signals, headers, '\r\n');
    let answers = '';
    socket.on('data', (chunk) => (answers += chunk.toString()));
    await once(socket, 'data');
    if (statusesOf(answers)[0] === 100) socket.write(body);
    await closed(socket);
    expect(statusesOf(answers)).toEqual(statuses);
  });

  it('who speaks HTTP/1.0 is not asked for his body', async () => {
    await start();
    const head = `POST ${signals} HTTP/1.0\r\nAuthorization: Bearer ${gateway.token}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
    expect(statusesOf(await answersTo(`${head}{}`))).toEqual([400]);
  });

  it('what else a sender expects is not its due, and his request is served', async () => {
    await start();
    expect(statusesOf(await answersTo(get('/health', 'Expect: a miracle', 'Connection: close')))).toEqual([200]);
  });

  it.each([
    ['a path that leads out of the documentation', 'GET /docs/../x', '', 404],
    ['a range that is not there', 'GET /docs/swagger-ui.css', 'Range: bytes=99999999-\r\n', 400],
  ])('%s is no bug of ours', async (_, head, headers, status) => {
    await start();
    const answer = await answersTo(`${head} HTTP/1.1\r\nHost: gateway\r\n${headers}Connection: close\r\n\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(gateway.logged.filter(({ level }) => level === 'error')).toEqual([]);
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

    it('an address is the same with each of its ports, and what is no address is that of the proxy', async () => {
      await start({ server: { trusted_proxies: ['127.0.0.1'] } });
      for (let i = 0; i < 10; i++) expect(await refused(`198.51.100.7:${5000 + i}`)).toBe(401);
      expect(await refused('198.51.100.7:6000')).toBe(429);
      for (let i = 0; i < 10; i++) expect(await refused(`[2001:db8::1]:${5000 + i}`)).toBe(401);
      expect(await refused('2001:db8::1')).toBe(429);
      for (let i = 0; i < 10; i++) expect(await refused(`nobody-${i}`)).toBe(401);
      expect(await refused('somebody')).toBe(429);
    });

    it('addresses of IPv6 are limited by their network of 64 bits', async () => {
      await start({ server: { trusted_proxies: ['127.0.0.1'] } });
      for (let i = 0; i < 10; i++) expect(await refused(`2001:db8:1:1::${i}`)).toBe(401);
      expect(await refused('2001:db8:1:1:ffff::1')).toBe(429);
      expect(await refused('2001:db8:1:2::1')).toBe(401);
    });
  });
});
