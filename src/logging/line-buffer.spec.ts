import { execFileSync } from 'node:child_process';
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
    await new Promise((resolve) => buffer.flush(resolve));
    expect(written()).toBe('a\n');
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
