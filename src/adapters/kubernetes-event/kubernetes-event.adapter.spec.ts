import { anything, assert, constantFrom, dictionary, object, property, record } from 'fast-check';
import { plainRules } from '../../../test/support/a-signal';
import { noon } from '../../../test/support/fake-clock';
import { fingerprint } from '../../signal/fingerprint';
import { labelOf } from '../../signal/labels';
import { IgnoredSignal, InvalidSignal, isSignal, type Signal } from '../../signal/signal';
import { eventExamples } from './kubernetes-event.examples';
import { toSignals, type EventRules } from './kubernetes-event.adapter';

const rules: EventRules = {
  ...plainRules,
  defaultNamespace: 'fallback',
  severityMapping: new Map(),
  severities: new Map([['Evicted', 'critical']]),
};
const read = (...events: unknown[]) => [...toSignals(events, rules, noon)];
const pod = { apiVersion: 'v1', kind: 'Pod', namespace: 'prod', name: 'api-0' };
const event = { type: 'Warning', reason: 'BackOff', involvedObject: pod };
const signalOf = (members: object = {}): Signal => {
  const [reading] = read({ ...event, ...members });
  if (reading === undefined || !isSignal(reading)) throw new Error(JSON.stringify(reading));
  return reading;
};
const of = (involvedObject: object, more: object = {}) => signalOf({ involvedObject, ...more });
const problemsOf = (reading: unknown) => {
  const [invalid] = read(reading);
  return invalid instanceof InvalidSignal ? invalid.problems : [];
};
const at = (text: string) => Date.parse(text);

describe('toSignals', () => {
  it('reads everything of an event of v1', () => {
    const sent = eventExamples.core.value;
    expect(read(sent)).toEqual([
      {
        source: 'kubernetes-event',
        name: 'BackOff',
        status: 'firing',
        severity: 'warning',
        namespace: 'prod-payment-service',
        resource: { kind: 'Pod', name: 'payment-api-789', apiVersion: 'v1' },
        labels: {
          reason: 'BackOff',
          type: 'Warning',
          namespace: 'prod-payment-service',
          kind: 'Pod',
          pod: 'payment-api-789',
          container: 'payment-api',
          component: 'kubelet',
        },
        annotations: { message: sent.message, count: '3' },
        startsAt: at('2025-10-04T10:00:00Z'),
        occurredAt: at('2025-10-04T10:02:10Z'),
        receivedAt: noon,
        links: {},
        fingerprint: fingerprint(
          'BackOff',
          { resource: { kind: 'Pod', name: 'payment-api-789' }, namespace: 'prod-payment-service', specific: true },
          {},
          plainRules,
        ),
        payload: sent,
      },
    ]);
  });

  it('reads everything of an event of events.k8s.io/v1, its series included', () => {
    expect(read(eventExamples.events.value)).toMatchObject([
      {
        name: 'FailedScheduling',
        resource: { kind: 'Pod', name: 'payment-worker-0' },
        annotations: { message: '0/3 nodes are available: 3 Insufficient memory.', count: '7' },
        startsAt: at('2025-10-04T10:00:00.123Z'),
        occurredAt: at('2025-10-04T10:05:00Z'),
      },
    ]);
  });

  it('finds the object in the member that names one', () => {
    for (const involvedObject of [{}, { kind: '', name: '' }])
      expect(signalOf({ involvedObject, regarding: pod }).resource).toMatchObject({ kind: 'Pod', name: 'api-0' });
  });

  it('gives an event that happens again, by whichever API, the same fingerprint', () => {
    const again = { type: 'Warning', reason: 'BackOff', regarding: pod, note: 'other words', series: { count: 9 } };
    expect(
      new Set([event, { ...event, count: 7 }, again].map((one) => (read(one)[0] as Signal).fingerprint)).size,
    ).toBe(1);
  });

  it.each([
    ['Warning', 'firing'],
    ['Error', 'firing'],
    ['warning', 'firing'],
    ['Normal', 'ignored'],
    ['normal', 'ignored'],
  ])('takes one of type %s for %s', (type, expected) => {
    const [reading] = read({ ...event, type });
    expect(reading instanceof IgnoredSignal ? 'ignored' : (reading as Signal).status).toBe(expected);
  });

  it('ignores what is about objects of kubernaut.io, and not what is called alike', () => {
    const about = (apiVersion: string) => read({ ...event, involvedObject: { ...pod, apiVersion } })[0];
    for (const own of ['remediation.kubernaut.io/v1', 'kubernaut.io/v1alpha1', 'workflow.kubernaut.io/v1'])
      expect(about(own)).toMatchObject({ reason: 'own_event' });
    for (const other of ['v1', 'notkubernaut.io/v1', 'kubernaut.io.example.com/v1'])
      expect(about(other)).toHaveProperty('fingerprint');
  });

  it('has the severities that are configured', () => {
    expect([signalOf({ reason: 'Evicted' }).severity, signalOf().severity]).toEqual(['critical', 'warning']);
    expect(signalOf({ reason: 'constructor' }).severity).toBe('warning');
  });

  it.each([
    [undefined, ['event must be an object']],
    ['text', ['event must be an object']],
    [
      {},
      ['reason is required', 'type is required', 'involvedObject.kind is required', 'involvedObject.name is required'],
    ],
    [{ ...event, reason: ' ' }, ['reason is required']],
    [{ ...event, type: 'Alarm' }, ['type must be Normal, Warning or Error']],
    [{ ...event, involvedObject: 'Pod' }, ['involvedObject.kind is required', 'involvedObject.name is required']],
    [{ type: 'Warning', reason: 'X', regarding: { kind: 'Pod' } }, ['regarding.name is required']],
    [
      { ...event, reason: 7, involvedObject: { ...pod, name: null } },
      ['reason is required', 'involvedObject.name is required'],
    ],
  ])('says all that is wrong with %j', (sent, problems) => {
    expect(problemsOf(sent)).toEqual(problems);
  });

  describe('the namespace', () => {
    it('is that of the object', () => {
      expect(of(pod, { metadata: { namespace: 'elsewhere' } }).namespace).toBe('prod');
    });

    it('is none for objects that are in none, whose events lie in default', () => {
      const metadata = { namespace: 'default' };
      for (const kind of ['Node', 'PersistentVolume', 'ClusterThing'])
        expect(of({ kind, name: 'x' }, { metadata }).namespace).toBe('');
    });

    it('is that of the event, or the default, for objects that are in one and do not say in which', () => {
      expect(of({ kind: 'Pod', name: 'x' }, { metadata: { namespace: 'shop' } }).namespace).toBe('shop');
      expect(of({ kind: 'Deployment', name: 'x' }).namespace).toBe('fallback');
    });

    it.each(['Node', 'node', 'PersistentVolume', 'StorageClass'])('is none for a %s, whatever is said', (kind) => {
      expect(of({ kind, name: 'x', namespace: 'prod' }).namespace).toBe('');
    });

    it('is what is said for a kind of others that is only called alike', () => {
      const node = { kind: 'Node', name: 'x', namespace: 'longhorn-system', apiVersion: 'longhorn.io/v1beta2' };
      expect(of(node).namespace).toBe('longhorn-system');
      expect(of({ ...node, kind: 'StorageClass', apiVersion: 'storage.k8s.io/v1' }).namespace).toBe('');
    });

    it('is the object itself however its kind is written', () => {
      expect(of({ kind: 'namespace', name: 'bank', namespace: 'prod' }).namespace).toBe('bank');
    });

    it('is the object itself when that is one', () => {
      expect(of({ kind: 'Namespace', name: 'shop' }).namespace).toBe('shop');
    });
  });

  describe('the times', () => {
    const times = (members: object) => {
      const { startsAt, occurredAt } = signalOf(members);
      return [startsAt, occurredAt];
    };
    const [early, late] = ['2025-10-04T09:00:00Z', '2025-10-04T11:00:00Z'];

    it.each([
      [{ firstTimestamp: early, lastTimestamp: late }],
      [{ deprecatedFirstTimestamp: early, deprecatedLastTimestamp: late }],
      [{ eventTime: early, series: { lastObservedTime: late } }],
      [
        {
          firstTimestamp: null,
          lastTimestamp: late,
          eventTime: early,
          metadata: { creationTimestamp: '2020-01-01T00:00:00Z' },
        },
      ],
    ])('are the first and the last that %j says', (members) => {
      expect(times(members)).toEqual([at(early), at(late)]);
    });

    it('are those of its writing when it says none, else of its receipt', () => {
      expect(times({ firstTimestamp: null, metadata: { creationTimestamp: early } })).toEqual([at(early), at(early)]);
      expect(times({ firstTimestamp: '0001-01-01T00:00:00Z', lastTimestamp: 'soon', eventTime: 7 })).toEqual([
        noon,
        noon,
      ]);
    });

    it('are never ahead of its receipt', () => {
      const ahead = new Date(noon + 60_000).toISOString();
      expect(times({ firstTimestamp: ahead, lastTimestamp: ahead })).toEqual([noon, noon]);
    });
  });

  describe('the labels', () => {
    it('are those of the object, where an exporter adds them, below its own', () => {
      const labels = JSON.parse('{"team":"payments","namespace":"forged","__proto__":"x","n":1,"o":{}}') as object;
      const signal = of({ ...pod, labels });
      expect(signal.labels).toMatchObject({
        team: 'payments',
        namespace: 'prod',
        pod: 'api-0',
        n: '1',
      });
      expect(labelOf(signal.labels, '__proto__')).toBe('x');
      expect(({} as { x?: unknown }).x).toBeUndefined();
    });

    it.each([
      ['Node', 'node'],
      ['Deployment', 'deployment'],
      ['Job', 'job_name'],
      ['Certificate', 'name'],
    ])('name a %s by %s', (kind, label) => {
      expect(of({ kind, name: 'x', namespace: 'prod' }).labels[label]).toBe('x');
    });

    it.each(['spec.containers{app}', 'spec.initContainers{app}', 'spec.ephemeralContainers{app}'])(
      'name the container of %s',
      (fieldPath) => {
        expect(of({ ...pod, fieldPath }).labels.container).toBe('app');
      },
    );
  });

  it('takes whatever comes', () => {
    const key = constantFrom(
      'reason',
      'type',
      'involvedObject',
      'regarding',
      'series',
      'metadata',
      'source',
      '__proto__',
    );
    const like = record({ ...Object.fromEntries(Object.keys(event).map((name) => [name, anything()])) });
    assert(
      property(dictionary(key, anything()), like, object(), (some, alike, labels) => {
        expect(
          read(some, alike, { ...event, ...some, type: 'Warning' }, { ...event, involvedObject: { ...pod, labels } }),
        ).toHaveLength(4);
      }),
    );
  });
});
