import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { eventually } from '../../test/support/eventually';
import { createLogger, type LoggingOptions } from './gateway-logger';

describe('the log', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gateway-log-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const written = async (write: (logger: Logger) => void, options: Partial<LoggingOptions> = {}, scope = {}) => {
    const output = options.output ?? join(directory, 'gateway.log');
    const settings = { level: 'info', format: 'json', addCaller: false, ...options, output };
    const logger = createLogger(settings, () => ({ fields: scope }));
    write(logger);
    // The file is opened and written behind the caller's back.
    await eventually(() => expect(readFileSync(output, 'utf8')).toMatch(/\n$/));
    return readFileSync(output, 'utf8');
  };
  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('writes JSON lines with level, time, fields and the scope of the request', async () => {
    const [line] = lines(await written((log) => log.info({ a: 1 }, 'hello'), {}, { request_id: 'r1' }));
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      request_id: 'r1',
      a: 1,
      msg: 'hello',
    });
  });

  it('cuts long values, and keeps forged lines in one', async () => {
    const text = await written((log) =>
      log.info({ value: 'x'.repeat(5000), forged: 'a\n{"level":"error"}' }, 'm'.repeat(5000)),
    );
    const [line, ...others] = lines(text);
    expect(others).toEqual([]);
    expect(String(line!.value)).toHaveLength(1025);
    expect(String(line!.msg)).toHaveLength(1025);
    expect(line!.forged).toBe('a\n{"level":"error"}');
  });

  it('cuts and escapes what the scope of a request holds, too', async () => {
    const scope = { caller: `a\u001b[31m\n${'x'.repeat(5000)}` };
    const [line] = lines(await written((log) => log.info({}, 'x'), {}, scope));
    expect(String(line!.caller)).toHaveLength(1025);
    const text = await written(
      (log) => log.info({}, 'x'),
      { format: 'text', output: join(directory, 'text.log') },
      scope,
    );
    expect(text.trim().split('\n')).toHaveLength(1);
    expect(text).toContain('a\\u001b[31m\\u000ax');
  });

  it('keeps the fields of a line out of the next one, and leaves what it was given as it was', async () => {
    const fields = Object.freeze({ outcome: 'created', long: 'x'.repeat(5000) });
    const text = await written(
      (log) => {
        log.info(fields, 'first');
        log.info({}, 'second');
      },
      {},
      { request_id: 'r1' },
    );
    const [first, second] = lines(text);
    expect(first).toMatchObject({ request_id: 'r1', outcome: 'created' });
    expect(second).toEqual({ level: 'info', time: expect.any(String), request_id: 'r1', msg: 'second' });
  });

  it('leaves the stack of an error of its own readable', async () => {
    const stack = `Error: no\n    at f (${'x'.repeat(2000)})`;
    const [line] = lines(await written((log) => log.error({ error: stack }, 'unexpected error')));
    expect(line).toMatchObject({ level: 'error', error: stack });
  });

  it('makes the directory of its file', async () => {
    const output = join(directory, 'deep', 'gateway.log');
    expect(lines(await written((log) => log.info({}, 'x'), { output }))).toHaveLength(1);
  });

  it('escapes control characters in text for people', async () => {
    const text = await written((log) => log.info({ forged: 'a\u001b[31m\nb' }, 'line\nbreak'), { format: 'text' });
    expect(text.trim().split('\n')).toHaveLength(1);
    expect(text).not.toContain('\u001b[31m');
  });

  it('redacts what must never be there', async () => {
    const text = await written((log) =>
      log.info({ authorization: 'Bearer s3cret', inner: { token: 's3cret' }, password: 's3cret' }, 'x'),
    );
    expect(text).not.toContain('s3cret');
  });

  it('shows that a secret is not set', async () => {
    const fields = { password: '', config: { redis: { password: '' } } };
    const [line] = lines(await written((log) => log.info(fields, 'effective configuration')));
    expect(line).toMatchObject(fields);
  });

  it('redacts it in errors as well, and writes a line for what cannot be shown', async () => {
    const error = Object.assign(new Error('no'), { token: 's3cret' });
    const round: Record<string, unknown> = {};
    round.self = round;
    const [line] = lines(await written((log) => log.info({ err: error, round, big: 7n }, 'x')));
    expect(line).toMatchObject({ err: { message: 'no', token: '***' }, round: '[cannot be shown]' });
  });

  it('changes its level while it runs', async () => {
    const text = await written((log) => {
      log.debug({}, 'before');
      log.level = 'debug';
      log.debug({}, 'after');
    });
    expect(lines(text).map(({ msg }) => msg)).toEqual(['after']);
  });

  it('names the caller if it is asked to', async () => {
    const [line] = lines(await written((log) => log.info({}, 'x'), { addCaller: true }));
    expect(line!.caller_location).toContain('gateway-logger.spec');
  });
});
