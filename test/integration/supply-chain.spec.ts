import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(__dirname, '../..');

/** What such a module prints, also when it throws. Scripts are not of the modules that specs are. */
function inScripts(script: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: project,
    encoding: 'utf8',
  });
  return stdout + stderr;
}

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
}

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };

  it('holds the digest of every package, and no address', () => {
    const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
    expect(packages.length).toBeGreaterThan(100);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    // Platform packages of build tools that nobody here has installed have none: scripts/complete-lock.mjs.
    const running = packages.filter(([, { dev }]) => dev !== true);
    expect(running.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-'))).toEqual([]);
  });
});

describe('docs/dependencies.md', () => {
  const packages = (licence: unknown, name = 'yaml') => ({
    '': { dependencies: { [name]: '1.0.0' } },
    [`node_modules/${name}`]: { version: '1.0.0', license: licence },
    'node_modules/tool': { version: '1.0.0', license: 'GPL-3.0-only', dev: true },
  });
  /** What generating it from such a lock file ends with. */
  const generated = (lock: object): string =>
    inScripts(`
      import { dependencyReference } from './scripts/lib/production-dependencies.mjs';
      dependencyReference(${JSON.stringify({ packages: lock })}, () => undefined);`);

  it.each(['GPL-3.0-only', 'SEE LICENSE IN LICENSE', undefined, { type: 'BUSL-1.1' }, 'MIT AND GPL-2.0-only'])(
    'is not made of a package with the licence %j',
    (licence) => {
      expect(generated(packages(licence))).toMatch(/licences that are not allowed .*: node_modules\/yaml: /);
    },
  );

  it.each(['MIT', '(GPL-2.0-only OR MIT)', [{ type: 'MIT' }]])('takes the licence %j', (licence) => {
    expect(generated(packages(licence))).not.toContain('not allowed');
  });

  it('asks why a new package is there', () => {
    expect(generated(packages('MIT', 'left-pad'))).toContain('has no reason for [left-pad]');
  });
});

describe('npm run audit', () => {
  const counts = { info: 0, low: 0, moderate: 0, high: 0, critical: 0, total: 0 };
  const verdictOf = (answer: unknown) => {
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
    const script = `
      import { verdictOf } from './scripts/lib/audit.mjs';
      console.log(JSON.stringify(verdictOf(${JSON.stringify(text)})));`;
    return JSON.parse(inScripts(script)) as { ok: boolean; lines: string[] };
  };

  it('passes what nothing bad is known of', () => {
    const found = { ...counts, moderate: 2, total: 2 };
    expect(verdictOf({ vulnerabilities: {}, metadata: { vulnerabilities: found } })).toEqual({
      ok: true,
      lines: ['audit: known vulnerabilities of packages that run: 2 moderate'],
    });
  });

  it.each(['high', 'critical'])('fails for a vulnerability of level %s, and names it', (severity) => {
    const via = [{ title: 'It hangs', url: 'https://example.com/1' }, 'b'];
    const vulnerabilities = { a: { name: 'a', severity, via }, c: { name: 'c', severity: 'low', via: [] } };
    const answer = { vulnerabilities, metadata: { vulnerabilities: { ...counts, low: 1, [severity]: 1, total: 2 } } };
    expect(verdictOf(answer)).toEqual({
      ok: false,
      lines: [
        `audit: known vulnerabilities of packages that run: 1 low, 1 ${severity}`,
        `a (${severity}): It hangs https://example.com/1; by b`,
      ],
    });
  });

  it.each([
    [
      { message: '405 Method Not Allowed - POST https://npm.example.com/advisories', error: { summary: '' } },
      '405 Method Not Allowed',
    ],
    [
      { message: 'request to http://127.0.0.1:9/x failed, reason: connect ECONNREFUSED 127.0.0.1:9' },
      'request failed, reason: connect ECONNREFUSED',
    ],
    ['<html>', 'npm answers no JSON'],
  ])('takes no answer for no failure, and says so in a line: %j', (answer, reason) => {
    const line = `audit: nothing is known, the registry does not answer npm audit (${reason})`;
    expect(verdictOf(answer)).toEqual({ ok: true, lines: [line] });
  });
});

describe('npm run sbom', () => {
  it('keeps what runs, in one order and without what another run would make different', () => {
    const component = (ref: string) => ({ 'bom-ref': ref, name: ref.split('@')[0] });
    const bomOf = (folder: string, timestamp: string, refs: string[]) => ({
      serialNumber: `urn:uuid:${timestamp}`,
      metadata: { timestamp, component: { 'bom-ref': 'gateway@1', name: folder } },
      components: refs.map(component),
      dependencies: [{ ref: 'gateway@1', dependsOn: refs }, ...refs.map((ref) => ({ ref, dependsOn: ['b@1'] }))],
    });
    const made = (bom: object) =>
      inScripts(`
        import { productionBom } from './scripts/lib/sbom.mjs';
        const packages = [{ name: 'a', version: '1' }, { name: 'b', version: '1' }];
        const about = { name: 'gateway', timestamp: '2026-01-01T00:00:00.000Z', packages };
        console.log(JSON.stringify(productionBom(${JSON.stringify(bom)}, about)));`);
    const bom = made(bomOf('one', 'now', ['b@1', 'tool@1', 'a@1']));
    expect(made(bomOf('other', 'later', ['a@1', 'b@1', 'tool@1']))).toBe(bom);
    expect(JSON.parse(bom)).toMatchObject({
      serialNumber: expect.stringMatching(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
      metadata: { component: { name: 'gateway' } },
      components: [{ name: 'a' }, { name: 'b' }],
      dependencies: [
        { ref: 'a@1', dependsOn: ['b@1'] },
        { ref: 'b@1', dependsOn: ['b@1'] },
        { ref: 'gateway@1', dependsOn: ['a@1', 'b@1'] },
      ],
    });
    expect(made(bomOf('one', 'now', ['b@1']))).toContain('npm sbom leaves out a@1');
  });
});
