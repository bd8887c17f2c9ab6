import { assert, constantFrom, property, string, tuple, uniqueArray } from 'fast-check';
import { fingerprint, type IdentityRules } from './fingerprint';
import type { Labels } from './labels';
import type { Target } from './target-resource';

const plain: IdentityRules = { cluster: '', identityLabels: [], replicaLabels: new Set() };
const pod = target('Pod', 'payment-api-789', 'prod-payment-service');
const noLabels: Labels = {};

function target(kind: string, name: string, namespace: string, specific = true): Target {
  return { resource: { kind, name }, namespace, specific };
}

describe('fingerprint', () => {
  // Computed by another program. A line that must change here makes every incident in every cluster a new one.
  it.each<[string, string, Target, [string, string][], Partial<IdentityRules>, string]>([
    [
      'a pod',
      'HighMemoryUsage',
      pod,
      [['severity', 'critical']],
      {},
      'abb93e57149833dae624ec42ae7a542256e13f8b7f1eb08051e1ad8e8ee40a09',
    ],
    [
      'a pod of a named cluster',
      'HighMemoryUsage',
      pod,
      [],
      { cluster: 'eu-1' },
      'fdad7661f81dc6aff900b32ea1c525cb627b1ac6ef4a3766ca49b507a5767db6',
    ],
    [
      'a pod with identity labels, one of which is absent',
      'HighMemoryUsage',
      pod,
      [
        ['team', 'payments'],
        ['container', 'app'],
        ['other', 'x'],
      ],
      { identityLabels: ['team', 'container', 'shard'] },
      '8f2a1d9029d7b0bee650d7a6196ec3fa5a31f98b69adb3e1dc4174e45009efe8',
    ],
    [
      'a node without a namespace',
      'NodeDown',
      target('Node', 'worker-3', ''),
      [],
      {},
      '898a019d2fbefdf48f99136ec6aeea71515e557b8bae3171dedc4b3611c404fb',
    ],
    [
      'a service without a workload',
      'HTTPErrors',
      target('Namespace', 'prod', 'prod', false),
      [
        ['alertname', 'HTTPErrors'],
        ['namespace', 'prod'],
        ['service', 'a'],
      ],
      {},
      'ae48e03ecef5d745df3c70f58c6e42beda4ee969786773c819bec0fe54880a18',
    ],
    [
      'another service without a workload',
      'HTTPErrors',
      target('Namespace', 'prod', 'prod', false),
      [
        ['alertname', 'HTTPErrors'],
        ['namespace', 'prod'],
        ['service', 'b'],
      ],
      {},
      'd029d1354285e0909cf3fc481a2fff4d70eec32042e2b3517c2b385d1c2d8c32',
    ],
    [
      'nothing but a name',
      'Watchful',
      target('Unknown', 'unknown', '', false),
      [],
      {},
      'a5177278a450421946b10f49dc228761257e5d67c9eea5811c1511e6044b5536',
    ],
    [
      'text beyond ASCII',
      'Speicher voll: 漢字 😀',
      target('Pod', 'päckchen', 'größe'),
      [],
      {},
      '633e6c03cc1f752607e7ec2e256b5b5c05ec1a0461edc7f8b188b1ceb437e73a',
    ],
    [
      'labels called __proto__ and constructor',
      'X',
      target('Unknown', 'unknown', '', false),
      [
        ['constructor', 'c'],
        ['__proto__', 'polluted'],
        ['alertname', 'X'],
      ],
      {},
      '1e4761ff87cd1f2f0405de18080d481904dd7dbc010c25bca49cdfc0570493db',
    ],
  ])('of %s never changes', (_, name, of, labels, rules, expected) => {
    expect(fingerprint(name, of, Object.fromEntries(labels), { ...plain, ...rules })).toBe(expected);
  });

  describe('of a target that the labels name', () => {
    const of = (labels: Record<string, string>, rules: Partial<IdentityRules> = {}) =>
      fingerprint('PodDown', pod, labels, { ...plain, ...rules });

    it('is the same whatever else the labels say', () => {
      expect(of({ severity: 'critical', instance: '10.0.0.1:8080' })).toBe(of({ severity: 'info', team: 'a' }));
    });

    it('tells identity labels apart, in whatever order they are configured', () => {
      const rules = { identityLabels: ['container', 'team'] };
      const reversed = { identityLabels: ['team', 'container'] };
      expect(of({ container: 'app', team: 'a' }, rules)).not.toBe(of({ container: 'proxy', team: 'a' }, rules));
      expect(of({ container: 'app', team: 'a' }, rules)).toBe(of({ team: 'a', container: 'app' }, reversed));
    });

    it('never counts a replica label, even one that is configured as an identity', () => {
      const rules = { identityLabels: ['prometheus_replica'], replicaLabels: new Set(['prometheus_replica']) };
      expect(of({ prometheus_replica: 'a' }, rules)).toBe(of({ prometheus_replica: 'b' }, rules));
    });
  });

  describe('of a target that the labels do not name', () => {
    const unknown = target('Unknown', 'unknown', '', false);
    const of = (labels: Record<string, string>, rules: Partial<IdentityRules> = {}) =>
      fingerprint('HTTPErrors', unknown, labels, { ...plain, ...rules });

    it('keeps two services without a workload apart', () => {
      expect(of({ service: 'a' })).not.toBe(of({ service: 'b' }));
    });

    it('is the same in whatever order the labels come', () => {
      expect(of({ a: '1', b: '2', c: '3' })).toBe(of({ c: '3', a: '1', b: '2' }));
    });

    it('does not change when the severity does', () => {
      expect(of({ service: 'a', severity: 'warning' })).toBe(of({ service: 'a', severity: 'critical' }));
    });

    it('counts the severity when it is configured as an identity', () => {
      const rules = { identityLabels: ['severity'] };
      expect(of({ severity: 'warning' }, rules)).not.toBe(of({ severity: 'critical' }, rules));
    });

    it('is the same from both replicas of a Prometheus', () => {
      const rules = { replicaLabels: new Set(['prometheus_replica', 'prometheus']) };
      expect(of({ service: 'a', prometheus: 'k8s', prometheus_replica: 'k8s-0' }, rules)).toBe(
        of({ service: 'a', prometheus: 'k8s', prometheus_replica: 'k8s-1' }, rules),
      );
    });

    it('cannot be forged by a label that contains another', () => {
      expect(of({ a: '1","b":"2' })).not.toBe(of({ a: '1', b: '2' }));
      expect(of({ a: '1', b: '' })).not.toBe(of({ a: '', b: '1' }));
    });

    it('tells lone surrogates apart', () => {
      expect(of({ a: '\ud800' })).not.toBe(of({ a: '\ud801' }));
      expect(of({ a: '\ud800' })).not.toBe(of({ a: '\\ud800' }));
    });
  });

  it('differs for 10,000 combinations of values made to be confused', () => {
    const tricky = ['', 'a', 'aa', '"', '","', '\\', '[]', 'null', '\u0000', 'ä'];
    const found = new Set<string>();
    for (const name of tricky) {
      for (const namespace of tricky) {
        for (const kind of tricky) {
          for (const resource of tricky) {
            found.add(fingerprint(name, target(kind, resource, namespace), noLabels, plain));
          }
        }
      }
    }
    expect(found.size).toBe(10_000);
    expect([...found].every((hex) => /^[a-f0-9]{64}$/.test(hex))).toBe(true);
  });

  it('is one for each set of labels, and one in each order of it', () => {
    const text = string({ unit: constantFrom('a', 'b', '"', ',', '[', ']', '\\', '\u2028', '😀'), maxLength: 4 });
    const labels = uniqueArray(tuple(text, text), { maxLength: 4, selector: ([name]) => name });
    const unknown = target('Unknown', 'unknown', '', false);
    const of = (pairs: [string, string][]) => fingerprint('X', unknown, Object.fromEntries(pairs), plain);
    const canonical = (pairs: [string, string][]) => JSON.stringify(pairs.map((pair) => JSON.stringify(pair)).sort());
    assert(
      property(labels, labels, (some, others) => {
        expect(of(some)).toBe(of(some.toReversed()));
        expect(of(some) === of(others)).toBe(canonical(some) === canonical(others));
      }),
    );
  });
});
