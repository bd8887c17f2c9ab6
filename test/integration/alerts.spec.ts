import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { chart } from '../support/helm';
import { promtool } from '../support/promtool';

interface Rule {
  readonly alert: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}
interface AlertTest {
  readonly name: string;
  readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples?: readonly object[] }[];
}

const project = join(__dirname, '../..');
const tests = join(project, 'test/alerts/alerts.test.yaml');
const { groups } = read(join(chart, 'files/alerts.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

describe('the alerts', () => {
  it('ring for what they are about, and not for what looks like it', () => {
    expect(promtool('check', 'rules', join(chart, 'files/alerts.yaml'))).toContain('SUCCESS');
    expect(promtool('test', 'rules', tests)).toContain('SUCCESS');
  });

  it('are each tried ringing and silent', () => {
    const cases = (read(tests) as { tests: AlertTest[] }).tests.flatMap(({ promql_expr_test: all = [] }) =>
      all.map(({ expr, exp_samples: samples = [] }) => [expr, samples.length > 0]),
    );
    for (const { alert } of rules)
      for (const rings of [true, false])
        expect(cases).toContainEqual([expect.stringContaining(`alertname="${alert}"`), rings]);
  });

  it('say what is wrong and what to do, and keep away from the gateway', () => {
    for (const { alert, labels, annotations } of rules) {
      expect(labels).toEqual({ severity: expect.stringMatching(/^(critical|warning)$/), kubernaut_remediate: 'false' });
      expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook_url']);
      expect(annotations.runbook_url).toBe(`docs/runbooks/${alert}.md`);
    }
  });

  it('have a runbook each, which the list of them names with its severity', () => {
    const folder = join(project, 'docs/runbooks');
    const files = rules.map(({ alert }) => `${alert}.md`);
    expect(readdirSync(folder).sort()).toEqual([...files, 'README.md'].sort());
    const list = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const { alert, labels } of rules) {
      expect(list).toContain(`| [${alert}](${alert}.md) | ${labels.severity} |`);
      const text = readFileSync(join(folder, `${alert}.md`), 'utf8');
      expect(text).toMatch(
        /^# (\w+)\n[^]*\*\*Symptom\*\*[^]*\*\*What it means\*\*[^]*\*\*Diagnosis\*\*[^]*\*\*What to do\*\*/,
      );
      expect(text).toContain(`# ${alert}\n`);
    }
  });
});

function read(file: string): unknown {
  return parse(readFileSync(file, 'utf8'));
}
