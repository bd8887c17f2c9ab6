import { aSignal } from '../../../test/support/a-signal';
import { noStorms } from '../../../test/support/a-processor';
import type { Labels } from '../../signal/labels';
import { maxNameLength } from '../../kubernetes/remediation-request';
import { groupOf, resourceOf, tokensOf } from './storm-group';

const labels = (all: Record<string, string>) => aSignal({ labels: all });
const alike = (a: Record<string, string>, b: Record<string, string>) => {
  const set = new Set(tokensOf(labels(a)));
  const others = tokensOf(labels(b));
  const shared = others.filter((token) => set.has(token)).length;
  return shared / (set.size + others.length - shared);
};

describe('tokensOf', () => {
  it.each([
    ['pod', { pod: 'payment-api-7f9c-x2x1', job: 'api' }, { pod: 'payment-api-1234-abcde', job: 'api' }],
    ['exported_pod', { exported_pod: 'a', job: 'api' }, { exported_pod: 'b', job: 'api' }],
    ['instance', { instance: '10.0.0.1:9090', job: 'api' }, { instance: '10.0.0.2:9090', job: 'api' }],
    ['hashes', { replica: 'payment-api-7f9c-x2x1' }, { replica: 'payment-api-8d3e-q9z4' }],
    ['suffixes without a digit', { replica: 'payment-api-bcdfg' }, { replica: 'payment-api-xwvts' }],
    ['numbers', { shard: 'orders-17' }, { shard: 'orders-3' }],
  ])('are the same whatever the %s', (_, a, b) => {
    expect(alike(a, b)).toBe(1);
  });

  it.each([
    ['another value', { team: 'payments' }, { team: 'checkout' }],
    ['another label', { team: 'payments' }, { squad: 'payments' }],
    ['words of five letters that Kubernetes does not make', { team: 'sales' }, { team: 'legal' }],
  ])('tell %s', (_, a, b) => {
    expect(alike(a, b)).toBe(0);
  });

  it('are the same in every replica of every version, for replicas share them', () => {
    const tokens = tokensOf(labels({ job: 'api', replica: 'orders-7f9c-x2x1', text: 'x'.repeat(300) }));
    expect(tokens).toEqual(['f15f46d7a214', '1c6245783db8', '242eb270d5ad']);
  });

  it('are a set, whatever labels are called', () => {
    expect(tokensOf(labels({ a: 'b=c', 'a=b': 'c' }))).toHaveLength(1);
  });

  it('are few and short, however many and long the labels are', () => {
    const many = labels(
      Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`label_${i}x`, 'v'.repeat(10_000)])),
    );
    const tokens = tokensOf(many);
    expect(tokens).toHaveLength(32);
    expect(Math.max(...tokens.map(({ length }) => length))).toBe(12);
  });

  it('take a label called __proto__ for a label', () => {
    expect(tokensOf(aSignal({ labels: JSON.parse('{"__proto__":"x"}') as Labels }))).toHaveLength(1);
  });
});

describe('groupOf', () => {
  const grouping = { ...noStorms, enabled: true };
  const signal = aSignal({ namespace: 'prod' });

  it('is the same for signals that agree in its values', () => {
    const other = aSignal({ namespace: 'prod', resource: { kind: 'Pod', name: 'other' } });
    expect(groupOf(signal, grouping)).toEqual(groupOf(other, grouping));
    expect(groupOf(signal, grouping)).toEqual({
      fingerprint: '0858b5ccc4965fd0aea63d68dafe2907019807ded88422e0b6e9ccc43a3b4b62',
      namespace: 'prod',
      pattern: 'namespace=prod alertname=HighMemoryUsage',
      title: 'HighMemoryUsage',
    });
  });

  it.each([
    ['namespace', aSignal({ namespace: 'other' }), grouping],
    ['alert name', aSignal({ namespace: 'prod', name: 'Other' }), grouping],
    ['cluster', signal, { ...grouping, cluster: 'west' }],
  ])('is another in another %s', (_, other, others) => {
    expect(groupOf(other, others)?.fingerprint).not.toBe(groupOf(signal, grouping)?.fingerprint);
  });

  it('can be by severity and by labels, and has no namespace then', () => {
    const labelled = aSignal({ labels: { team: 'payments' } });
    expect(groupOf(labelled, { ...grouping, groupBy: ['severity', 'team', 'absent'] })).toMatchObject({
      namespace: '',
      pattern: 'severity=critical team=payments absent=',
      title: 'critical payments ',
    });
  });

  it.each([{ enabled: false }, { excludeNamespaces: ['prod'] }, { excludeAlerts: ['HighMemoryUsage'] }])(
    'is none with %j',
    (setting) => {
      expect(groupOf(signal, { ...grouping, ...setting })).toBeUndefined();
    },
  );
});

describe('resourceOf', () => {
  it('tells objects apart, and signals that have none', () => {
    expect(resourceOf(aSignal({ namespace: 'prod' }))).toBe('Pod/prod/payment-api-789');
    const none = aSignal({ resource: { kind: 'Unknown', name: 'unknown' } });
    expect(resourceOf(none)).toBe(none.fingerprint);
  });

  it('is short, however long names are, and the same for what a request of a storm lists cut', () => {
    const long = (end: string) => aSignal({ resource: { kind: 'Pod', name: `${end}${'p'.repeat(1_000_000)}` } });
    const { resource, ...signal } = long('a');
    const cut = { ...resource, name: resource.name.slice(0, maxNameLength) };
    expect(resourceOf(long('a'))).toMatch(/^[0-9a-f]{64}$/);
    expect(resourceOf(long('a'))).toBe(resourceOf({ ...signal, resource: cut }));
    expect(resourceOf(long('a'))).not.toBe(resourceOf(long('b')));
  });
});
