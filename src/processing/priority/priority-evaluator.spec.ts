import { aSignal } from '../../../test/support/a-signal';
import { severities } from '../../signal/severity';
import { PriorityEvaluator, type Priority } from './priority-evaluator';

const shipped: [string, Priority][] = [
  ['critical_production', 'P1'],
  ['critical_staging', 'P2'],
  ['warning_production', 'P2'],
  ['warning_staging', 'P3'],
  ['default', 'P3'],
];
const evaluator = (...more: [string, Priority][]) => new PriorityEvaluator(new Map([...shipped, ...more]));

describe('PriorityEvaluator', () => {
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
    expect(evaluator().evaluate(aSignal({ severity }), environment)).toEqual({
      priority,
      prioritySource: 'fallback_table',
    });
  });

  it('asks for severity and environment, then for the severity, then for the default', () => {
    const of = (environment: string) =>
      evaluator(['critical', 'P2'], ['critical_qa', 'P0']).evaluate(aSignal({ severity: 'critical' }), environment);
    expect([of('qa'), of('canary')].map(({ priority }) => priority)).toEqual(['P0', 'P2']);
  });

  it.each(severities)('says that a table without a default is wrong rather than guess (%s)', (severity) => {
    expect(() => new PriorityEvaluator(new Map()).evaluate(aSignal({ severity }), 'production')).toThrow('"default"');
  });
});
