import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { problemCatalogue } from '../../src/http/problem';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

interface Example {
  readonly request: { readonly method: string; readonly path: string; readonly body: string };
  readonly status: number;
  readonly body: unknown;
}

/** `docs/api.md` holds requests and answers in turn, each in a block of its own. */
function examplesOf(document: string): Example[] {
  const blocks = [...document.matchAll(/```http\n([\s\S]*?)```/g)].map(([, text = '']) => {
    const [head = '', ...rest] = text.split('\n\n');
    return { head: head.trim(), body: rest.join('\n\n').trim() };
  });
  const examples: Example[] = [];
  for (let i = 0; i + 1 < blocks.length; i += 2) {
    const [request, answer] = [blocks[i]!, blocks[i + 1]!];
    const [method = '', path = ''] = request.head.split(' ');
    examples.push({
      request: { method, path, body: request.body },
      status: Number.parseInt(answer.head, 10),
      body: JSON.parse(answer.body),
    });
  }
  return examples;
}

/** `<…>` stands for any text, the processing time for any number; everything else is meant as it is written. */
function expected(value: unknown, key = ''): unknown {
  if (key === 'processing_time_ms') return expect.any(Number);
  if (typeof value === 'string' && /^<.*>$/.test(value)) return expect.any(String);
  if (Array.isArray(value)) return value.map((entry) => expected(entry));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, expected(entry, name)]));
  }
  return value;
}

describe('docs/api.md', () => {
  const examples = examplesOf(readFileSync(join(__dirname, '../../docs/api.md'), 'utf8'));
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ adapters: { grafana: { enabled: true } } });
  });
  afterAll(() => gateway.close());

  it('has examples', () => {
    expect(examples.length).toBeGreaterThanOrEqual(6);
  });

  it.each(examples.map((example, i) => [i + 1, `${example.request.method} ${example.request.path}`, example] as const))(
    'example %i (%s) is answered as it says',
    async (_number, _title, { request, status, body }) => {
      const response = await fetch(gateway.url + request.path, {
        method: request.method,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.token}` },
        ...(request.body === '' ? {} : { body: request.body }),
      });
      expect(await response.json()).toEqual(expected(body));
      expect(response.status).toBe(status);
    },
  );

  it('lists a row for every kind of problem in docs/errors.md, and no other', () => {
    const rows = [
      ...readFileSync(join(__dirname, '../../docs/errors.md'), 'utf8').matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm),
    ];
    expect(Object.fromEntries(rows.map(([, kind, status]) => [kind, Number(status)]))).toEqual(
      Object.fromEntries(Object.entries(problemCatalogue).map(([kind, { status }]) => [kind, status])),
    );
  });
});
