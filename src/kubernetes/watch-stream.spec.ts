import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { linesOf, takeLines } from './watch-stream';

describe.each([
  ['takeLines', async (stream: PassThrough, take: (lines: readonly string[]) => void) => takeLines(stream, take)],
  [
    'linesOf',
    async (stream: PassThrough, take: (lines: readonly string[]) => void) => {
      for await (const lines of linesOf(stream)) take(lines);
    },
  ],
])('%s', (_, read) => {
  let stream: PassThrough;
  let taken: (readonly string[])[];
  let ended: Promise<void>;

  beforeEach(() => {
    stream = new PassThrough();
    taken = [];
    ended = read(stream, (lines) => {
      if (lines.includes('bad')) throw new Error('no such line');
      taken.push(lines);
    });
  });
  const reasonOf = (end: Promise<void>) =>
    end.then(
      () => 'none',
      (error: unknown) => (error as Error).message,
    );
  const arrives = async (chunk: string | Buffer) => {
    stream.write(chunk);
    await nextTurn();
  };

  it('gives lines together that arrived together, without empty ones', async () => {
    await arrives('a\nb\n\n');
    await arrives('c\n');
    stream.end();
    await ended;
    expect(taken).toEqual([['a', 'b'], ['c']]);
  });

  it('puts together what arrived in pieces, also where a character was cut', async () => {
    const line = Buffer.from('{"text":"größe 😀"}\nrest');
    for (const byte of line) await arrives(Buffer.from([byte]));
    await arrives(' of it\nnever ended');
    stream.end();
    await ended;
    expect(taken).toEqual([['{"text":"größe 😀"}'], ['rest of it']]);
  });

  it('ends with what its taker throws, and takes no more', async () => {
    stream.write('a\n');
    stream.write('bad\n');
    stream.write('b\n');
    await expect(ended).rejects.toThrow('no such line');
    expect(taken.flat()).not.toContain('b');
    expect(stream.destroyed).toBe(true);
  });

  it('ends with a stream that breaks', async () => {
    const reason = reasonOf(ended);
    await arrives('a\nhalf');
    stream.destroy(new Error('the connection broke'));
    expect(await reason).toBe('the connection broke');
    expect(taken).toEqual([['a']]);
  });

  it('ends with a line that never does', async () => {
    const reason = reasonOf(ended);
    for (let i = 0; i < 9 && !stream.destroyed; i++) await arrives(Buffer.alloc(1024 * 1024, 'x'));
    expect(await reason).toMatch('a line that never ends');
  });
});
