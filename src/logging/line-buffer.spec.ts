import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../test/support/eventually';
import { LineBuffer } from './line-buffer';

describe('LineBuffer', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'line-buffer-'));
    file = join(directory, 'lines');
    writeFileSync(file, '');
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const written = () => readFileSync(file, 'utf8');

  it('writes all lines, in their order, whatever their size', async () => {
    const buffer = new LineBuffer(file);
    const lines = Array.from({ length: 2_000 }, (_, i) => `${i} ${'é'.repeat(i % 97)}\n`);
    for (const line of lines) buffer.write(line);
    await eventually(() => expect(written()).toBe(lines.join('')));
  });

  it('does not keep a single line for long', async () => {
    new LineBuffer(file).write('alone\n');
    await eventually(() => expect(written()).toBe('alone\n'));
  });

  it('calls back when what was written before is in the file', async () => {
    const buffer = new LineBuffer(file);
    await eventually(() => buffer.flush(() => undefined));
    buffer.write('a\n');
    await new Promise<void>((resolve) => buffer.flush(() => resolve()));
    expect(written()).toBe('a\n');
  });

  it('escapes what terminals obey, and JSON leaves as it is', async () => {
    new LineBuffer(file).write(`${JSON.stringify({ signal: 'a\u009b2J\u007f\u0085é' })}\n`);
    await eventually(() => expect(written()).toBe('{"signal":"a\\u009b2J\\u007f\\u0085é"}\n'));
    expect(JSON.parse(written())).toEqual({ signal: 'a\u009b2J\u007f\u0085é' });
  });

  it('loses lines on a full disk, says so once, and neither ends the process nor keeps it from ending', () => {
    const script = `
      const { LineBuffer } = require(${JSON.stringify(join(process.cwd(), 'dist/logging/line-buffer.js'))});
      const buffer = new LineBuffer('/dev/full');
      buffer.write('first\\n');
      setTimeout(() => buffer.write('second\\n'), 100);
      setTimeout(() => { buffer.write('last\\n'); buffer.flush(() => { buffer.write('very last\\n'); process.exit(3); }); }, 200);`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 10_000 });
    expect(status).toBe(3);
    expect(stderr).toMatch(/^kubernaut-gateway: lines of the log are lost: ENOSPC.*\n$/);
  });

  it('keeps a bounded number of lines while nobody reads them', async () => {
    const script = `
      const { LineBuffer } = require(${JSON.stringify(join(process.cwd(), 'dist/logging/line-buffer.js'))});
      const buffer = new LineBuffer(1);
      const line = 'x'.repeat(1023) + '\\n';
      const more = (left) => {
        for (let i = 0; i < 1024; i++) buffer.write(line);
        if (left > 0) setImmediate(more, left - 1);
        else {
          process.stderr.write('done ' + process.memoryUsage().heapUsed + '\\n');
          buffer.flush(() => process.exit(3));
        }
      };
      setImmediate(more, 200);`;
    // Through a pipe of the shell as well: one of Node.js is a socket.
    const child = spawn(
      'bash',
      ['-c', 'exec 3>&2; { "$0" -e "$1"; echo "code $?" >&3; } | sleep 20', process.execPath, script],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      },
    );
    try {
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await eventually(() => expect(said).toContain('code 3'));
      expect(said).toContain('lines of the log are lost');
      expect(Number(/done (\d+)/.exec(said)?.[1])).toBeLessThan(60 * 2 ** 20);
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
    }
  });

  it('does not wait for the reader of a pipe that has a path', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => new LineBuffer(pipe)).toThrow('ENXIO');
    const reader = spawn('bash', ['-c', 'exec 3<"$0"; sleep 20', pipe], { stdio: 'ignore' });
    try {
      let buffer: LineBuffer | undefined;
      await eventually(() => (buffer = new LineBuffer(pipe)));
      for (let i = 0; i < 1_000; i++) buffer?.write(`${'x'.repeat(1_023)}\n`);
      await new Promise<void>((resolve) => buffer?.flush(() => resolve()));
    } finally {
      reader.kill('SIGKILL');
    }
  });

  it('makes the folder of its file', () => {
    expect(() => new LineBuffer(join(directory, 'a', 'b', 'log'))).not.toThrow();
  });

  it('ends though nobody reads, through a socket', async () => {
    const script = `
      const { LineBuffer } = require(${JSON.stringify(join(process.cwd(), 'dist/logging/line-buffer.js'))});
      const buffer = new LineBuffer(1);
      for (let i = 0; i < 2000; i++) buffer.write('x'.repeat(1023) + '\\n');
      buffer.flush(() => process.exit(3));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    expect(await once(child, 'exit')).toEqual([3, null]);
  });

  it('writes each line once and whole to who reads slowly, however the process ends', async () => {
    const script = `
      const { LineBuffer } = require(${JSON.stringify(join(process.cwd(), 'dist/logging/line-buffer.js'))});
      const buffer = new LineBuffer(1);
      for (let i = 0; i < 3000; i++) buffer.write(JSON.stringify({ i, text: 'x'.repeat(500) }) + '\\n');
      setImmediate(() => process.exit(3));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    let read = '';
    for await (const chunk of child.stdout) {
      read += String(chunk);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const lines = read.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { i: number }).i)).toEqual(lines.map((_, i) => i));
    expect(lines).toHaveLength(3000);
  });

  it('writes what is left when the process ends, however it does', () => {
    const script = `
      const { LineBuffer } = require(${JSON.stringify(join(process.cwd(), 'dist/logging/line-buffer.js'))});
      const buffer = new LineBuffer(1);
      buffer.write('first\\n');
      buffer.write('last\\n');
      setImmediate(() => process.exit(3));`;
    const run = () => execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(run).toThrow(expect.objectContaining({ status: 3, stdout: 'first\nlast\n' }) as Error);
  });
});
