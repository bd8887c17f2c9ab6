import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { opaBinary } from '../support/opa';
import { startTestGateway, type TestGateway } from '../support/test-gateway';
import { firing, webhook } from '../support/webhook';

const policy = (rules: string) => `package kubernaut.gateway.priority\n\nimport rego.v1\n\n${rules}\n`;

/** A policy of the operator's, as its sender and its orchestrator see it. */
describe("a priority policy of one's own", () => {
  let folder: string;
  let file: string;
  let gateway: TestGateway | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'priority-policy-'));
    file = join(folder, 'priority.rego');
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
    rmSync(folder, { recursive: true });
  });
  const start = async () => {
    gateway = await startTestGateway({ priority: { rego_policy_path: file, opa_path: opaBinary() } });
    return gateway;
  };
  let pods = 0;
  const post = async (labels: object = {}) => {
    const { body } = await gateway!.post(
      webhook(firing({ alertname: 'Ranked', namespace: 'test', pod: `pod-${++pods}`, severity: 'info', ...labels })),
    );
    return [body.priority, body.priority_source];
  };

  it('decides, is read anew when it changes, and leaves the rest to the table', async () => {
    writeFileSync(file, policy('priority := "P0" if input.labels.team == "payments"'));
    const started = await start();
    const failed = () => started.metric('gateway_policy_failures_total', { reason: 'undefined' });
    expect(await post({ team: 'payments' })).toEqual(['P0', 'rego_policy']);
    const failures = await failed();
    expect(await post()).toEqual(['P3', 'fallback_table']);
    expect(await failed()).toBe(failures + 1);
    expect((await started.requests()).map(({ spec }) => [spec.priority, spec.prioritySource])).toEqual([
      ['P0', 'rego_policy'],
      ['P3', 'fallback_table'],
    ]);

    writeFileSync(file, policy('priority := "P4"'));
    await eventually(async () => expect(await post()).toEqual(['P4', 'rego_policy']));
    writeFileSync(file, policy('priority := '));
    await eventually(() =>
      expect(gateway!.logged.map(({ msg }) => msg)).toContain('the changed priority policy is not used'),
    );
    expect(await post()).toEqual(['P4', 'rego_policy']);
  });

  it('stops the start with file, line and reason when it is no good', async () => {
    writeFileSync(file, policy('priority := "P1" if {'));
    await expect(start()).rejects.toThrow(/priority\.rego:\d+: rego_parse_error/);
  });
});
