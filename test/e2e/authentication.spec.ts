import { request } from 'node:http';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const webhook = { version: '4', alerts: [{ labels: { alertname: 'A', namespace: 'test', pod: 'a' } }] };

describe('authentication', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
  });
  afterEach(() => gateway.close());

  it.each([
    ['no token', { authorization: '' }],
    ['a bad token', { authorization: 'Bearer not-the-token' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['a token of 20 KB', { authorization: `Bearer ${'x'.repeat(15_000)}` }],
  ])('answers %s with 401 and creates nothing', async (_what, headers) => {
    const { status, body, headers: answered } = await gateway.post(webhook, { headers });
    expect(status).toBe(401);
    expect(body.type).toBe('https://kubernaut.io/problems/unauthenticated');
    expect(body.detail).toContain('kubernaut-gateway');
    expect(answered.get('www-authenticate')).toBe('Bearer');
    expect(await gateway.requests()).toHaveLength(0);
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({ msg: 'authentication failed', client_ip: '127.0.0.1', source: 'prometheus' }),
    );
  });

  it('never writes a token into its log or its answers', async () => {
    const answer = await gateway.post(webhook, { headers: { authorization: 'Bearer very-secret-token' } });
    await gateway.post(webhook);
    const everything = JSON.stringify([gateway.logged, answer.body]);
    expect(everything).not.toContain('very-secret-token');
    expect(everything).not.toContain(gateway.token);
  });

  it('refuses an address after its burst of bad tokens, and still lets the good one in', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 11; i++)
      statuses.push((await gateway.post(webhook, { headers: { authorization: 'Bearer bad' } })).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429]);
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({ msg: 'rate limit exceeded', client_ip: '127.0.0.1' }),
    );
  });

  it('does not limit the address of a caller whose token is good', async () => {
    const statuses = new Set<number>();
    for (let i = 0; i < 50; i++) statuses.add((await gateway.post(webhook)).status);
    expect([...statuses].sort()).toEqual([201, 202]);
  });

  it('believes no X-Forwarded-For of an untrusted peer', async () => {
    for (let i = 0; i < 10; i++) {
      await gateway.post(webhook, { headers: { authorization: 'Bearer bad', 'x-forwarded-for': `10.0.0.${i}` } });
    }
    const answer = await gateway.post(webhook, {
      headers: { authorization: 'Bearer bad', 'x-forwarded-for': '10.1.1.1' },
    });
    expect(answer.status).toBe(429);
  });

  it('refuses an upload of 20 MB without a token before reading it', async () => {
    const url = new URL(`${gateway.url}/api/v1/signals/prometheus`);
    const sent = await new Promise<{ status: number | undefined; bytes: number }>((resolve, reject) => {
      let bytes = 0;
      let status: number | undefined;
      const upload = request(
        url,
        { method: 'POST', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } },
        (response) => {
          status = response.statusCode;
          response.resume();
        },
      );
      const chunk = Buffer.alloc(16 * 1024, 0x20);
      const write = () => {
        if (status !== undefined || bytes >= 20 * 1024 * 1024 || upload.destroyed) return;
        bytes += chunk.length;
        if (upload.write(chunk)) setImmediate(write);
        else upload.once('drain', write);
      };
      upload.on('close', () => resolve({ status, bytes }));
      upload.on('error', () => resolve({ status, bytes }));
      upload.setTimeout(10_000, () => reject(new Error('no answer')));
      write();
    });
    expect(sent.status).toBe(401);
    expect(sent.bytes).toBeLessThan(5 * 1024 * 1024);
  });
});

describe('the limit of a caller', () => {
  it('is answered 503, which Alertmanager retries, never 429', async () => {
    const gateway = await startTestGateway({ rate_limit: { authenticated_requests_per_minute: 6 } });
    const answers = [await gateway.post(webhook), await gateway.post(webhook)];
    await gateway.close();
    expect(answers.map(({ status }) => status)).toEqual([201, 503]);
    expect(answers[1]!.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(answers[1]!.body.type).toBe('https://kubernaut.io/problems/caller-over-limit');
  });
});
