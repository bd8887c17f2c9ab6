import { assert, jsonValue, property, string } from 'fast-check';
import { fastify, type FastifyInstance } from 'fastify';
import { acceptJsonBodies, parseJson } from './json-body';
import { problemCatalogue, ProblemError } from './problem';

const parse = (text: string | Buffer) => parseJson(Buffer.from(text));
const nested = (levels: number, open = '[', close = ']') => open.repeat(levels) + close.repeat(levels);
const tooDeep = 'The body is nested deeper than 32 levels';

describe('parseJson', () => {
  it('parses what JSON.parse parses', () => {
    assert(
      property(jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('skips a byte order mark', () => {
    expect(parse('\uFEFF{"a":1}')).toEqual({ a: 1 });
  });

  it('makes every key one of the object itself', () => {
    const body = parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as object;
    expect(Object.keys(body)).toEqual(['__proto__', 'constructor']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    ['the first half alone', '{"a":"x\\ud800y"}', { a: 'x\ufffdy' }],
    ['the second half alone', '{"a":"\\uDC00"}', { a: '\ufffd' }],
    ['both, the wrong way round', '["\\udc00\\ud83d"]', ['\ufffd\ufffd']],
    ['a half before a whole', '["\\ud83d\\ud83d\\ude00"]', ['\ufffd😀']],
    ['a half in a key', '{"\\ud800":1}', { '\ufffd': 1 }],
    ['a whole one', '["\\ud83d\\ude00 \\u00e9"]', ['😀 é']],
    ['a backslash before the letters', '["\\\\ud800"]', ['\\ud800']],
    ['a backslash before the letters of a half, and then the other half', '["\\\\ud83d\\ude00"]', ['\\ud83d\ufffd']],
    ['a backslash, and then a half', '["\\\\\\ud800"]', ['\\\ufffd']],
  ])('replaces half a character, and nothing else: %s', (_, text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it('makes texts of whole characters, whatever is escaped', () => {
    assert(
      property(string({ unit: 'binary' }), (text) => {
        const escaped = JSON.stringify(text).replace(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        );
        expect(parse(`[${escaped}]`)).toEqual([text.toWellFormed()]);
      }),
    );
  });

  it('says where a text is no JSON, whatever it escapes', () => {
    expect(() => parse('{"a":"\\ud800",}')).toThrow('(position 14)');
  });

  describe('of depth', () => {
    it('takes 32 levels and not 33', () => {
      expect(() => parse(nested(32))).not.toThrow();
      expect(() => parse(nested(33))).toThrow(tooDeep);
    });

    it.each([
      ['lists', nested(3_000)],
      ['objects', nested(3_000, '{"a":', '}').replace('{"a":}', '{}')],
      ['lists of a million brackets', nested(500_000)],
      ['lists behind a text with a quote in it', `["\\"",${nested(40)}]`],
      ['lists behind a backslash at the end of a text', `["\\\\",${nested(40)}]`],
      ['lists after others have ended', `[${nested(10)},${nested(10)},${nested(40)}]`],
    ])('refuses %s', (_, text) => {
      expect(() => parse(text)).toThrow(tooDeep);
    });

    it('says of lists that never end that they are no JSON', () => {
      expect(() => parse('['.repeat(1_000_000))).toThrow('The body is not valid JSON');
    });

    it('counts levels below a key that is called as a prototype is', () => {
      expect(() => parse(`{"__proto__":${nested(32)}}`)).toThrow(tooDeep);
    });

    it.each([
      ['in a text', JSON.stringify('['.repeat(100))],
      ['in a key', JSON.stringify({ ['{'.repeat(100)]: 1 })],
      ['behind an escaped quote', JSON.stringify(`"${'['.repeat(100)}`)],
      ['side by side', `[${Array.from({ length: 1_000 }, () => '{}').join()}]`],
    ])('does not count brackets %s', (_, text) => {
      expect(parse(text)).toEqual(JSON.parse(text));
    });

    it('agrees with a count of levels, whatever the texts hold', () => {
      assert(
        property(string({ unit: 'binary' }), (text) => {
          const inner = JSON.stringify(text);
          expect(() => parse(`${'['.repeat(32)}${inner}${']'.repeat(32)}`)).not.toThrow();
          expect(() => parse(`${'['.repeat(33)}${inner}${']'.repeat(33)}`)).toThrow(tooDeep);
        }),
      );
    });
  });

  it.each(['', ' \n\t', '\uFEFF'])('says that %j is empty', (text) => {
    expect(() => parse(text)).toThrow('The body is empty, send a JSON object');
  });

  it.each([
    '{',
    '{"a":}',
    "{'a':1}",
    '{"a":1,}',
    'token=hunter2',
    '\u0000',
    '{"a":"\u0000"}',
    'NaN',
    '[1] [2]',
    '"\ud800',
  ])('refuses %j and repeats nothing of it', (text) => {
    expect(() => parse(text)).toThrow(/^The body is not valid JSON( \(position \d+\))?$/);
  });

  it('reads bytes that are no UTF-8 without falling over', () => {
    expect(parse(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).toBe('\ufffd\ufffd');
  });
});

describe('acceptJsonBodies', () => {
  let server: FastifyInstance;
  beforeAll(async () => {
    server = fastify({ onProtoPoisoning: 'ignore', onConstructorPoisoning: 'ignore' });
    acceptJsonBodies(server);
    server.setErrorHandler((error, _request, reply) => {
      const status = error instanceof ProblemError ? problemCatalogue[error.kind].status : 500;
      return reply.status(status).send({ error: error instanceof Error ? error.message : '' });
    });
    server.post('/', (request) => ({ body: request.body }));
    await server.ready();
  });
  afterAll(() => server.close());

  const post = async (headers: Record<string, string>, payload: string) => {
    const { statusCode, body } = await server.inject({
      method: 'POST',
      url: '/',
      headers,
      payload: Buffer.from(payload),
    });
    return [statusCode, JSON.parse(body) as unknown];
  };

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'application/json; charset=iso-8859-1',
    'Application/JSON',
  ])('takes a body of type "%s"', async (type) => {
    expect(await post({ 'content-type': type }, '{"a":[1]}')).toEqual([200, { body: { a: [1] } }]);
  });

  it('takes a body without a type if it is JSON', async () => {
    expect(await post({}, '{"a":1}')).toEqual([200, { body: { a: 1 } }]);
    expect(await post({}, 'a=1')).toEqual([400, { error: expect.stringContaining('not valid JSON') }]);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'text/json',
    'application/jsonp',
    'multipart/form-data; boundary=x',
  ])('refuses a body of type "%s"', async (type) => {
    expect(await post({ 'content-type': type }, '{"a":1}')).toEqual([
      415,
      { error: `Content-Type must be application/json, not '${type}'` },
    ]);
  });

  it.each(['gzip', 'deflate', 'br', 'gzip, identity', 'x'.repeat(100)])(
    'refuses a body encoded as "%s"',
    async (encoding) => {
      const [status, body] = await post(
        { 'content-type': 'application/json', 'content-encoding': encoding },
        '{"a":1}',
      );
      expect([status, body]).toEqual([
        415,
        { error: `Content-Encoding '${encoding.slice(0, 32)}' is not accepted, send the body as it is` },
      ]);
    },
  );

  it('takes a body that says it is not encoded', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'identity' };
    expect(await post(headers, '{"a":1}')).toEqual([200, { body: { a: 1 } }]);
  });

  it('refuses 3,000 levels in 19 KB as a fault of the sender', async () => {
    const payload = `{"a":${nested(3_000, '[[[', ']]]')}}`;
    expect(await post({ 'content-type': 'application/json' }, payload)).toEqual([400, { error: tooDeep }]);
  });
});
