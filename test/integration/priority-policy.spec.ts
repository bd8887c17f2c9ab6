import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anything, array, assert, constantFrom, dictionary, property, sample, string, tuple } from 'fast-check';
import { policyInputOf } from '../../src/processing/priority/policy-input';
import { PriorityPolicy } from '../../src/processing/priority/priority-policy';
import { aSignal } from '../support/a-signal';
import { eventually } from '../support/eventually';
import { opaBinary } from '../support/opa';
import { RecordingLog } from '../support/recording-log';

const head = 'package kubernaut.gateway.priority\n\nimport rego.v1\n\n';
const shipped = join(__dirname, '../../policies');

/** Policies as operators write them, compiled by the real opa. */
describe('a priority policy', () => {
  let folder: string;
  let log: RecordingLog;
  let policy: PriorityPolicy | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'priority-policy-'));
    log = new RecordingLog();
  });
  afterEach(() => {
    policy?.stop();
    policy = undefined;
    rmSync(folder, { recursive: true });
  });

  const fileWith = (rules: string, name = 'priority.rego') => {
    const file = join(folder, name);
    writeFileSync(file, rules.includes('package ') ? rules : head + rules);
    return file;
  };
  const load = async (file: string, more: object = {}) => {
    policy = await PriorityPolicy.load(
      { file, fileMayBeAbsent: false, opaPath: opaBinary(), pollMs: 20, ...more },
      log,
    );
    return policy;
  };
  const input = policyInputOf(aSignal({ labels: { team: 'payments' } }), 'production', false);

  it('decides by what it is told of a signal', async () => {
    const rules =
      'priority := "P0" if {\n\tinput.labels.team == "payments"\n\tinput.resource.kind == "Pod"\n\tnot input.storm\n}';
    const loaded = await load(fileWith(rules));
    expect(loaded.evaluate(input)).toEqual({ priority: 'P0' });
    expect(loaded.evaluate({ ...input, storm: true })).toMatchObject({ failure: 'undefined' });
  });

  it.each([
    ['no answer', 'priority := "P1" if input.severity == "never"', 'undefined'],
    ['an answer that is no priority', 'priority := "P9"', 'invalid'],
    ['an answer of another type', 'priority := 1', 'invalid'],
    [
      'rules that contradict each other',
      'priority := "P1" if input.storm == false\n\npriority := "P2" if input.severity == "critical"',
      'error',
    ],
  ])('leaves to the table: %s', async (_, rules, failure) => {
    expect((await load(fileWith(rules))).evaluate(input)).toMatchObject({ failure });
    // And goes on.
    expect(policy?.evaluate(input)).toMatchObject({ failure });
  });

  it.each([
    ['a mistake of syntax', 'priority := ', /priority\.rego:5: rego_parse_error/],
    ['a function that there is none of', 'priority := no.such(input)', /priority\.rego:5: rego_type_error/],
    ['another package', 'package other\n\npriority := "P1"', /kubernaut\/gateway\/priority/],
    [
      'a function that is not available here',
      'priority := "P1" if http.send({"method": "get", "url": "http://127.0.0.1:1"}).status_code == 200',
      /http\.send/,
    ],
  ])('is not used with %s, and says why', async (_, rules, reason) => {
    await expect(load(fileWith(rules))).rejects.toThrow(reason);
  });

  it('is not used when it has no end within its memory', async () => {
    const loops = 'some a in n; some b in n; some c in n; c < 0; a > b';
    const rules = `priority := "P1" if {\n\tn := numbers.range(1, 3000)\n\tcount({1 | ${loops}}) == 0\n}`;
    await expect(load(fileWith(rules))).rejects.toThrow('more than 64 MiB');
  });

  it('says that opa is missing, where it is needed', async () => {
    await expect(load(fileWith('priority := "P1"'), { opaPath: '/no/such/opa' })).rejects.toThrow('priority.opa_path');
    await expect(load(join(folder, 'absent.rego'))).rejects.toThrow('absent.rego cannot be read');
  });

  it('can be compiled before, alone or as a bundle with data', async () => {
    const rego = fileWith('priority := data.levels[input.severity]');
    writeFileSync(join(folder, 'data.json'), '{"levels": {"critical": "P0"}}');
    const bundle = join(folder, 'bundle.tar.gz');
    const build = ['build', '-t', 'wasm', '-e', 'kubernaut/gateway/priority/priority', '-o', bundle];
    execFileSync(opaBinary(), [...build, rego, join(folder, 'data.json')]);
    expect((await load(bundle)).evaluate(input)).toEqual({ priority: 'P0' });
    expect((await load(join(shipped, 'priority.wasm'), { opaPath: '/no/such/opa' })).evaluate(input)).toEqual({
      priority: 'P1',
    });
    await expect(load(fileWith('no wasm', 'x.wasm'))).rejects.toThrow('the policy cannot be used');
  });

  it('is read anew when it changes; a bad one changes nothing', async () => {
    const file = fileWith('priority := "P1"');
    (await load(file)).follow();
    writeFileSync(file, `${head}priority := "P2" # changed`);
    await eventually(() => expect(policy?.evaluate(input)).toEqual({ priority: 'P2' }));
    writeFileSync(file, `${head}priority := `);
    await eventually(() => expect(log.messages).toContain('the changed priority policy is not used'));
    expect(policy?.evaluate(input)).toEqual({ priority: 'P2' });
    writeFileSync(file, `${head}priority := "P3" # mended`);
    await eventually(() => expect(policy?.evaluate(input)).toEqual({ priority: 'P3' }));
  });

  it('never throws, whatever it is asked', async () => {
    const loaded = await load(fileWith(`${readFileSync(join(shipped, 'priority.rego'), 'utf8')}\n# compiled here`));
    assert(
      property(dictionary(string(), string()), anything(), string(), (labels, odd, text) => {
        const asked = { ...input, severity: text, labels, annotations: { odd: odd as string } };
        expect(() => loaded.evaluate(asked)).not.toThrow();
      }),
      { numRuns: 1_000 },
    );
  });

  it('is as good when it is made of any rules', async () => {
    const conditions = sample(
      array(
        tuple(
          constantFrom('severity', 'environment', 'namespace', 'alertname', 'source'),
          constantFrom('==', '!=', '<', '>'),
          constantFrom('critical', 'production', 'warning', '', 'prod-payment-service'),
        ),
        { minLength: 1, maxLength: 4 },
      ),
      12,
    );
    for (const [i, rules] of conditions.entries()) {
      const bodies = rules.map(([field, operator, text]) => `\tinput.${field} ${operator} "${text}"`).join('\n');
      const loaded = await load(fileWith(`priority := "P${i % 7}" if {\n${bodies}\n}`, `random-${i}.rego`));
      for (const severity of ['critical', 'warning', 'info'])
        expect(Object.keys(loaded.evaluate({ ...input, severity }))[0]).toMatch(/^(priority|failure)$/);
    }
  }, 60_000);

  it('keeps its memory over a million evaluations', async () => {
    const loaded = await load(join(shipped, 'priority.wasm'));
    const evaluate = (times: number) => {
      for (let i = 0; i < times; i++) loaded.evaluate(input);
      return process.memoryUsage().rss / 2 ** 20;
    };
    const before = evaluate(100_000);
    expect(evaluate(1_000_000) - before).toBeLessThan(64);
  }, 60_000);
});

describe('the policy that comes with the gateway', () => {
  it('passes its own tests', () => {
    const output = execFileSync(opaBinary(), ['test', shipped, '-v'], { encoding: 'utf8' });
    expect(output).toMatch(/PASS: 5\/5/);
  });

  it('is compiled from its source', () => {
    const folder = mkdtempSync(join(tmpdir(), 'priority-policy-'));
    const bundle = join(folder, 'bundle.tar.gz');
    const build = ['build', '-t', 'wasm', '-e', 'kubernaut/gateway/priority/priority', '-o', bundle];
    execFileSync(opaBinary(), [...build, 'priority.rego'], { cwd: shipped });
    const wasm = execFileSync('tar', ['xOzf', bundle, '/policy.wasm'], { stdio: ['ignore', 'pipe', 'ignore'] });
    rmSync(folder, { recursive: true });
    expect(wasm.equals(readFileSync(join(shipped, 'priority.wasm')))).toBe(true);
  });
});
