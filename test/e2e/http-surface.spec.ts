import { connect } from 'node:net';
import { problemCatalogue } from '../../src/http/problem';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const signals = '/api/v1/signals/prometheus';
const alert = (labels: Record<string, unknown>) => ({ version: '4', alerts: [{ status: 'firing', labels }] });

describe('the HTTP surface', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());

  it.each([
    ['an empty body', '', 'malformed-body', 'The body is empty'],
    ['null', 'null', 'validation-error', 'must be a JSON object'],
    ['a list', '[]', 'validation-error', 'must be a JSON object'],
    ['an empty object', '{}', 'validation-error', 'alerts must be a list of alerts'],
    ['no alerts', '{"alerts":[]}', 'validation-error', 'alerts must hold at least one alert'],
    ['alerts that are null', '{"alerts":null}', 'validation-error', 'alerts must be a list of alerts'],
    ['alerts that are an object', '{"alerts":{}}', 'validation-error', 'alerts must be a list of alerts'],
    ['alerts that are none', '{"alerts":[1,null,"x"]}', 'validation-error', 'alert must be an object'],
    [
      'an unknown version',
      '{"version":"3","alerts":[{"labels":{"alertname":"A"}}]}',
      'validation-error',
      'must be "4"',
    ],
    ['broken JSON', '{"alerts":[', 'malformed-body', 'not valid JSON'],
    ['NUL bytes', '\u0000{"alerts":[]}', 'malformed-body', 'not valid JSON'],
    ['JSON of 3,000 levels', '{"alerts":' + '['.repeat(3000) + ']'.repeat(3000) + '}', 'malformed-body', '32 levels'],
  ])('answers %s with a clear refusal', async (_what, body, kind, words) => {
    const answer = await gateway.post(body);
    expect(answer.status).toBe(400);
    expect(answer.body.type).toBe(`https://kubernaut.io/problems/${kind}`);
    expect(answer.body.error).toContain(words);
  });

  it('answers a path that cannot be decoded in the one shape of errors', async () => {
    const response = await fetch(`${gateway.url}/%zz`);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect(await response.json()).toMatchObject({ type: 'https://kubernaut.io/problems/malformed-body', status: 400 });
  });

  it('lists everything that is wrong, not only the first', async () => {
    const { body } = await gateway.post({ version: '9', alerts: [] });
    expect(body.details.validation_errors).toEqual(['version must be "4"', 'alerts must hold at least one alert']);
  });

  it('accepts a body behind a byte order mark, and one without a content type', async () => {
    const marked = await gateway.post(
      '\uFEFF' + JSON.stringify(alert({ alertname: 'Marked', namespace: 'test', pod: 'a' })),
    );
    expect(marked.status).toBe(201);
    const untyped = await fetch(gateway.url + signals, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token}` },
      body: new Blob([JSON.stringify(alert({ alertname: 'Untyped', namespace: 'test', pod: 'a' }))]),
    });
    expect(untyped.status).toBe(201);
  });

  it.each<[string, Record<string, string>]>([
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['gzip', { 'content-encoding': 'gzip' }],
  ])('refuses %s with 415', async (_what, headers) => {
    const { status, body } = await gateway.post(alert({ alertname: 'A' }), { headers });
    expect(status).toBe(415);
    expect(body.type).toBe('https://kubernaut.io/problems/unsupported-media-type');
  });

  it('accepts a charset', async () => {
    const { status } = await gateway.post(alert({ alertname: 'Charset', namespace: 'test', pod: 'a' }), {
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    expect(status).toBe(201);
  });

  it('takes a body of exactly the limit and refuses one byte more', async () => {
    const limit = 1024 * 1024;
    const body = JSON.stringify({ ...alert({ alertname: 'Large', namespace: 'test', pod: 'a' }), padding: '' });
    const padded = (size: number) => body.replace('"padding":""', `"padding":"${'x'.repeat(size - body.length)}"`);
    expect((await gateway.post(padded(limit))).status).toBe(201);
    const tooLarge = await gateway.post(padded(limit + 1));
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.body.error).toContain('max_alerts');
    expect(gateway.logged).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: expect.stringContaining('max_alerts') }),
    );
  });

  it('answers 404 for what is not there and 405 for another method', async () => {
    expect((await gateway.post('{}', { path: '/api/v1/signals/grafana' })).status).toBe(404);
    const wrongMethod = await fetch(gateway.url + signals);
    expect(wrongMethod.status).toBe(405);
    expect(wrongMethod.headers.get('allow')).toBe('POST');
    expect(await wrongMethod.json()).toMatchObject({ type: 'https://kubernaut.io/problems/method-not-allowed' });
  });

  it('keeps a sane request id and replaces any other', async () => {
    const sane = await gateway.post('{}', { headers: { 'x-request-id': 'abc-123' } });
    expect(sane.headers.get('x-request-id')).toBe('abc-123');
    expect(sane.body.request_id).toBe('abc-123');
    const long = await gateway.post('{}', { headers: { 'x-request-id': 'x'.repeat(129) } });
    expect(long.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers liveness, readiness and documentation without a token', async () => {
    for (const path of ['/health', '/healthz', '/ready', '/readyz', '/docs', '/docs/openapi.json']) {
      expect([path, (await fetch(gateway.url + path)).status]).toEqual([path, 200]);
    }
    const openapi = (await (await fetch(`${gateway.url}/docs/openapi.json`)).json()) as { paths: object };
    expect(Object.keys(openapi.paths)).toContain(signals);
  });

  it('documents every status with which a webhook may be answered', async () => {
    const openapi = (await (await fetch(`${gateway.url}/docs/openapi.json`)).json()) as {
      paths: Record<string, { post: { responses: Record<string, { description: string }> } }>;
    };
    const documented = Object.keys(openapi.paths[signals]!.post.responses).map(Number);
    const refusals = Object.values(problemCatalogue).map(({ status }) => status);
    // What is no route, or not that method of it, is no answer of the route.
    const possible = new Set([201, 202, ...refusals].filter((status) => ![404, 405].includes(status)));
    expect(new Set(documented)).toEqual(possible);
  });

  it('serves metrics on a listener of their own, and there alone', async () => {
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(404);
    const exposition = await (await fetch(gateway.metricsUrl)).text();
    expect(exposition).toContain('gateway_http_requests_total');
    expect(exposition).toContain('process_cpu_seconds_total');
    expect(exposition).toContain('gateway_cache_entries{cache="namespaces"} ');
  });

  it('keeps a label called __proto__ a label', async () => {
    const body =
      '{"version":"4","alerts":[{"labels":{"alertname":"Proto","namespace":"test","pod":"a","__proto__":"x","constructor":"y"}}]}';
    const answer = await gateway.post(body);
    expect(answer.status).toBe(201);
    const request = (await gateway.requests()).find(({ spec }) => spec.alertName === 'Proto');
    expect(Object.keys(request!.spec.labels)).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('keeps hostile text as text', async () => {
    const hostile = '{{constructor}} ${7*7} <b> \u0000 \u2028 🦀';
    await gateway.post(alert({ alertname: `Hostile ${hostile}`, namespace: '../etc', pod: '%2f..', note: hostile }));
    const request = (await gateway.requests()).find(({ spec }) => spec.alertName.startsWith('Hostile'));
    expect(request!.spec.labels.note).toBe(hostile);
    expect(request!.metadata.namespace).toBe('kubernaut-system');
    expect(request!.spec.resource).toMatchObject({ kind: 'Pod', name: '%2f..', namespace: '../etc' });
  });

  it('answers 400 to what is not HTTP', async () => {
    const { port, hostname } = new URL(gateway.url);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write('NOT HTTP\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('application/problem+json');
  });
});
