import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { aSignal } from '../../../test/support/a-signal';
import type { Labels } from '../../signal/labels';
import { policyInputOf } from './policy-input';

const schema = JSON.parse(readFileSync(join(__dirname, '../../../policies/input.schema.json'), 'utf8')) as object;
const example = /```json\n([^`]+)```/.exec(readFileSync(join(__dirname, '../../../policies/README.md'), 'utf8'))?.[1];

describe('policyInputOf', () => {
  const valid = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);

  it.each([
    ['a pod', aSignal()],
    ['nothing', aSignal({ namespace: '', resource: { kind: 'Unknown', name: 'unknown' }, labels: {} })],
    ['labels of any name', aSignal({ labels: JSON.parse('{"__proto__":"a","ü!":"","constructor":"b"}') as Labels })],
  ])('is as its schema says, for a signal about %s', (_, signal) => {
    const input = JSON.parse(JSON.stringify(policyInputOf(signal, 'production', false))) as object;
    expect(valid(input)).toBe(true);
  });

  it('is documented by an example that its schema accepts', () => {
    expect(valid(JSON.parse(example ?? ''))).toBe(true);
  });

  it('is bounded, whatever was sent', () => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`label-${i}`, 'v'.repeat(100_000)]));
    const input = policyInputOf(aSignal({ labels }), 'production', true);
    expect(Object.keys(input.labels)).toHaveLength(256);
    expect(Math.max(...Object.values(input.labels).map(({ length }) => length))).toBe(4_096);
  });

  it('is bounded, whatever things are called', () => {
    const long = 'n'.repeat(100_000);
    const signal = aSignal({ name: long, namespace: long, resource: { kind: long, name: long, apiVersion: long } });
    const { alertname, namespace, resource } = policyInputOf(signal, 'production', false);
    for (const text of [alertname, namespace, ...Object.values(resource)]) expect(text).toHaveLength(4_096);
  });

  it('has whole characters alone', () => {
    const { annotations } = policyInputOf(
      aSignal({ annotations: { a: `${'a'.repeat(4_095)}🔥` } }),
      'production',
      false,
    );
    expect(annotations.a).toBe(`${'a'.repeat(4_095)}\ufffd`);
  });
});
