import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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
  const isCacheRejected = (folder: string) => {
    const script = `require(${JSON.stringify(join(folder, 'program.js'))}).compileProgram().cachedDataRejected`;
    return execFileSync('node', ['-p', script], { encoding: 'utf8' }).trim();
  };

  it('starts with what V8 compiled of it before', () => {
    expect(isCacheRejected(dist)).toBe('false');
    expect(versionOf(dist)).toBe(version);
  });

  it('starts without it', () => {
    expect(isCacheRejected(copy)).toBe('undefined');
    expect(versionOf(copy)).toBe(version);
  });

  it('starts with what another version of V8 compiled, and does not use it', () => {
    const cache = readFileSync(join(dist, 'bundle.cache'));
    // The digest of the version that compiled it stands in the second word.
    cache.writeUInt32LE(~cache.readUInt32LE(4) >>> 0, 4);
    writeFileSync(join(copy, 'bundle.cache'), cache);
    expect(isCacheRejected(copy)).toBe('true');
    expect(versionOf(copy)).toBe(version);
  });
});
