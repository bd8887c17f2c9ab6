import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually';
import { RunningProcess } from '../support/process';

const dist = join(__dirname, '../../dist');
const { version } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8')) as { version: string };

describe('the built program', () => {
  let copy: string;
  // Where the package is found from it.
  beforeEach(() => {
    copy = mkdtempSync(join(dist, 'copy-'));
    for (const file of ['main.js', 'program.js', 'bundle.js']) copyFileSync(join(dist, file), join(copy, file));
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  const versionOf = (folder: string) =>
    execFileSync('node', [join(folder, 'main.js'), '--version'], { encoding: 'utf8' }).trim();
  /** What becomes of the code cache; `undefined` when V8 is given none. */
  const isRejected = (folder: string) => {
    const script = `require(${JSON.stringify(join(folder, 'program.js'))}).compileProgram().cachedDataRejected`;
    return execFileSync('node', ['-p', script], { encoding: 'utf8' }).trim();
  };
  const cacheOf = (change: (cache: Buffer) => Buffer) =>
    writeFileSync(join(copy, 'bundle.cache'), change(readFileSync(join(dist, 'bundle.cache'))));

  it('starts with what V8 compiled of it before', () => {
    expect(isRejected(dist)).toBe('false');
    expect(versionOf(dist)).toBe(version);
  });

  it('serves without a warning of Node.js', async () => {
    const args = [join(dist, 'main.js'), 'standalone', '--listen', '127.0.0.1:0', '--data', copy];
    const gateway = await RunningProcess.start('node', args, { env: { NODE_OPTIONS: '' } });
    try {
      await gateway.printed(/Ctrl-C stops/);
      expect(gateway.output).not.toMatch(/Warning/);
    } finally {
      await gateway.stop('SIGKILL');
    }
  });

  it('serves though nobody reads its standard error any more', async () => {
    const args = [join(dist, 'main.js'), 'standalone', '--listen', '127.0.0.1:0', '--data', copy];
    const child = spawn('node', args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } });
    child.stderr.destroy();
    let log = '';
    child.stdout.on('data', (chunk) => (log += String(chunk)));
    try {
      await eventually(() => expect(log).toContain('self-check passed'));
      await delay(500);
      expect(child.exitCode).toBeNull();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('starts without it', () => {
    expect(isRejected(copy)).toBe('undefined');
    expect(versionOf(copy)).toBe(version);
  });

  it.each([
    ['is empty', () => Buffer.alloc(0)],
    ['ends early', (cache: Buffer) => cache.subarray(0, 100)],
    ['is damaged', (cache: Buffer) => cache.fill(255, 5_000, 5_100)],
  ])('does not use a code cache that %s', (_, change) => {
    cacheOf(change);
    expect(isRejected(copy)).toBe('undefined');
    expect(versionOf(copy)).toBe(version);
  });

  it('does not use the code cache of another program, if only of the same length', () => {
    cacheOf((cache) => cache);
    const bundle = readFileSync(join(dist, 'bundle.js'), 'latin1');
    const other = bundle.replace('looks at all that it needs', 'LOOKS AT ALL THAT IT NEEDS');
    expect(other).not.toBe(bundle);
    writeFileSync(join(copy, 'bundle.js'), other, 'latin1');
    expect(isRejected(copy)).toBe('undefined');
    expect(execFileSync('node', [join(copy, 'main.js'), '--help'], { encoding: 'utf8' })).toContain('LOOKS AT ALL');
  });
});
