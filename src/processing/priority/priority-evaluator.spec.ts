import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { aSignal } from '../../../test/support/a-signal';
import { noPolicy } from '../../../test/support/a-processor';
import { RecordingLog } from '../../../test/support/recording-log';
import { GatewayConfig } from '../../config/gateway-config';
import { GatewayMetrics } from '../../metrics/gateway-metrics';
import type { Priority } from '../../signal/priority';
import { severities } from '../../signal/severity';
import { policyInputOf } from './policy-input';
import { PriorityEvaluator } from './priority-evaluator';
import { priorityByTable } from './priority-table';
import { RegoPolicy, type PolicyVerdict } from './rego-policy';

const shippedTable = Object.entries(new GatewayConfig().priority.fallbackTable) as [string, Priority][];
const shippedPolicy = () => {
  const wasm = readFileSync(join(__dirname, '../../../policies/priority.wasm'));
  return new RegoPolicy({ wasm: new Uint8Array(wasm), data: {} });
};

describe('priorityByTable', () => {
  const of = (severity: (typeof severities)[number], environment: string, ...more: [string, Priority][]) =>
    priorityByTable(new Map([...shippedTable, ...more]), severity, environment);

  it.each([
    ['critical', 'production', 'P1'],
    ['critical', 'staging', 'P2'],
    ['warning', 'production', 'P2'],
    ['warning', 'staging', 'P3'],
    ['info', 'production', 'P3'],
    ['critical', 'unknown', 'P3'],
    ['critical', 'Production', 'P3'],
    ['critical', '__proto__', 'P3'],
  ] as const)('makes of %s in %s a %s by the shipped table', (severity, environment, priority) => {
    expect(of(severity, environment)).toBe(priority);
  });

  it('asks for severity and environment, then for the severity, then for the default', () => {
    const more: [string, Priority][] = [
      ['critical', 'P2'],
      ['critical_qa', 'P0'],
    ];
    expect([of('critical', 'qa', ...more), of('critical', 'canary', ...more)]).toEqual(['P0', 'P2']);
  });

  it('says that a table without a default is wrong rather than guess', () => {
    expect(() => priorityByTable(new Map(), 'critical', 'production')).toThrow('"default"');
  });
});

describe('PriorityEvaluator', () => {
  let log: RecordingLog;
  beforeEach(() => (log = new RecordingLog()));
  const evaluator = (policy: ConstructorParameters<typeof PriorityEvaluator>[1]) =>
    new PriorityEvaluator(new Map(shippedTable), policy, new GatewayMetrics(), log);

  it.each(
    severities.flatMap((severity) =>
      ['production', 'staging', 'qa-eu', 'unknown'].map((place) => [severity, place] as const),
    ),
  )('decides the same by the policy and by the table that come with the gateway: %s in %s', async (severity, place) => {
    const signal = aSignal({ severity });
    const { priority, prioritySource } = await evaluator(shippedPolicy()).evaluate(signal, place);
    expect(prioritySource).toBe('rego_policy');
    expect(await evaluator(noPolicy).evaluate(signal, place)).toEqual({ priority, prioritySource: 'fallback_table' });
  });

  it('lets the shipped policy see labels: tier 0 in production is P0, and a rule may name its priority', async () => {
    const by = async (labels: Record<string, string>) => {
      const signal = aSignal({ labels });
      return (await evaluator(shippedPolicy()).evaluate(signal, 'production')).priority;
    };
    expect(await by({ tier: '0' })).toBe('P0');
    expect(await by({ kubernaut_priority: 'P4' })).toBe('P4');
    expect(await by({ kubernaut_priority: 'high' })).toBe('P1');
  });

  it('decides by the table what the policy does not, counts it, and does not say so for each signal', async () => {
    let verdict: PolicyVerdict = { failure: 'error', reason: 'a conflict' };
    const priority = evaluator({ evaluate: () => verdict });
    const byTable = { priority: 'P1', prioritySource: 'fallback_table' };
    for (let i = 0; i < 3; i++) expect(await priority.evaluate(aSignal(), 'production')).toEqual(byTable);
    expect(log.messages).toHaveLength(1);
    verdict = { priority: 'P4' };
    expect(await priority.evaluate(aSignal(), 'production')).toEqual({ priority: 'P4', prioritySource: 'rego_policy' });
    verdict = { failure: 'error', reason: 'a conflict' };
    await priority.evaluate(aSignal(), 'production');
    expect(log.messages).toHaveLength(1);
  });

  it('sets a policy aside that is slow again and again', () => {
    const policy = shippedPolicy();
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 60));
    const input = policyInputOf(aSignal(), 'production', false);
    const verdicts = Array.from({ length: 4 }, () => policy.evaluate(input));
    jest.restoreAllMocks();
    expect(verdicts.slice(0, 3)).toEqual(Array.from({ length: 3 }, () => ({ priority: 'P1' })));
    expect(verdicts[3]).toMatchObject({ failure: 'set_aside' });
  });
});
