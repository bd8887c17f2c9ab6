import {
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  oneof,
  property,
  record,
  string,
} from 'fast-check';
import { plainRules } from '../../../test/support/a-signal';
import { noon } from '../../../test/support/fake-clock';
import { firing, resolved, webhook } from '../../../test/support/webhook';
import { buildRemediationRequest } from '../../kubernetes/remediation-request.factory';
import { fingerprint } from '../../signal/fingerprint';
import { labelOf } from '../../signal/labels';
import { InvalidSignal, type Signal } from '../../signal/signal';
import type { SignalRules } from '../signal-rules';
import { toSignals } from './prometheus.adapter';

const rules: SignalRules = {
  ...plainRules,
  replicaLabels: new Set(['prometheus_replica']),
  defaultNamespace: 'default',
  severityMapping: new Map([['page', 'critical']]),
};
const read = (...alerts: unknown[]) => [...toSignals(webhook(...alerts), rules, noon)];
const signalOf = (alert: unknown): Signal => {
  const [signal] = read(alert);
  if (signal === undefined || signal instanceof InvalidSignal) throw new Error(`invalid: ${signal?.problems.join()}`);
  return signal;
};
const problemsOf = (alert: unknown) => {
  const [signal] = read(alert);
  return signal instanceof InvalidSignal ? signal.problems : [];
};
/** An object as JSON makes it: a key called `__proto__` is one of its own. */
const parsed = (text: string) => JSON.parse(text) as unknown;

describe('toSignals', () => {
  it("reads everything of the original document's example", () => {
    const alert = firing(
      { alertname: 'HighMemoryUsage', severity: 'critical', namespace: 'prod-payment-service', pod: 'payment-api-789' },
      {
        annotations: { description: 'Pod using 95% memory' },
        startsAt: '2025-10-04T10:00:00Z',
        generatorURL: 'http://prometheus:9090/graph',
        fingerprint: '57ff12e4fd08ddea',
      },
    );
    expect(signalOf(alert)).toEqual({
      source: 'prometheus',
      name: 'HighMemoryUsage',
      status: 'firing',
      severity: 'critical',
      namespace: 'prod-payment-service',
      resource: { kind: 'Pod', name: 'payment-api-789', apiVersion: 'v1' },
      labels: {
        alertname: 'HighMemoryUsage',
        severity: 'critical',
        namespace: 'prod-payment-service',
        pod: 'payment-api-789',
      },
      annotations: { description: 'Pod using 95% memory' },
      startsAt: Date.parse('2025-10-04T10:00:00Z'),
      receivedAt: noon,
      links: {
        externalURL: 'https://alertmanager.example.com',
        receiver: 'kubernaut-gateway',
        groupKey: '{}:{alertname="HighMemoryUsage"}',
        generatorURL: 'http://prometheus:9090/graph',
      },
      fingerprint: 'abb93e57149833dae624ec42ae7a542256e13f8b7f1eb08051e1ad8e8ee40a09',
      senderFingerprint: '57ff12e4fd08ddea',
      payload: alert,
    });
  });

  it('needs nothing but the name', () => {
    expect(signalOf({ labels: { alertname: 'X' } })).toMatchObject({
      name: 'X',
      status: 'firing',
      severity: 'warning',
      namespace: '',
      resource: { kind: 'Unknown', name: 'unknown' },
      annotations: {},
      startsAt: noon,
    });
  });

  it('reads a resolved alert, and when it ended', () => {
    expect(signalOf(resolved({ alertname: 'X' }))).toMatchObject({
      status: 'resolved',
      endsAt: Date.parse('2025-10-04T10:05:00Z'),
    });
    expect(signalOf(firing({ alertname: 'X' })).endsAt).toBeUndefined();
  });

  it('takes one that is written in capitals for resolved all the same', () => {
    expect(signalOf({ status: 'RESOLVED', labels: { alertname: 'X' } }).status).toBe('resolved');
  });

  it('takes one that begins far in the future for one that begins now, whose end counts', () => {
    const beginning = (startsAt: string) => signalOf(firing({ alertname: 'X' }, { startsAt })).startsAt;
    for (const startsAt of ['2025-10-04T12:10:01Z', '9999-12-31T23:59:59Z']) expect(beginning(startsAt)).toBe(noon);
    // By its own clock, which may be a little ahead.
    expect(beginning('2025-10-04T12:05:00Z')).toBe(noon + 300_000);
  });

  it('names no workload when Grafana says through it that monitoring is broken', () => {
    const labels = { alertname: 'DatasourceNoData', namespace: 'prod', pod: 'api-0', rulename: 'HighLatency' };
    expect(signalOf({ labels })).toMatchObject({ namespace: 'prod', resource: { kind: 'Unknown' } });
  });

  it.each(['pending', '', 7, null])('takes an alert of status %j for firing, so that it is seen', (status) => {
    expect(signalOf({ status, labels: { alertname: 'X' } }).status).toBe('firing');
  });

  it('gives a firing and a resolved alert of one incident the same fingerprint', () => {
    const labels = { alertname: 'X', namespace: 'prod', pod: 'a' };
    expect(signalOf(firing({ ...labels, severity: 'critical' })).fingerprint).toBe(
      signalOf(resolved({ ...labels, severity: 'info' })).fingerprint,
    );
  });

  it('gives both replicas of a Prometheus the same fingerprint', () => {
    const of = (replica: string) => signalOf(firing({ alertname: 'X', prometheus_replica: replica })).fingerprint;
    expect(of('k8s-0')).toBe(of('k8s-1'));
  });

  it('applies the configured severities, and keeps what the sender called it', () => {
    const signal = signalOf(firing({ alertname: 'X', severity: 'page' }));
    expect([signal.severity, signal.labels.severity]).toEqual(['critical', 'page']);
  });

  it('looks for a target with the configured default namespace', () => {
    expect(signalOf(firing({ alertname: 'X', pod: 'a' })).namespace).toBe('default');
  });

  it.each(['0001-01-01T00:00:00Z', 'yesterday', '', null, 7, undefined])(
    'takes the time of receipt when an alert began at %j',
    (startsAt) => {
      expect(signalOf(firing({ alertname: 'X' }, { startsAt })).startsAt).toBe(noon);
    },
  );

  it('reads numbers and booleans in labels as text, and null as nothing', () => {
    const { labels } = signalOf(firing({ alertname: 'X', code: 500, ok: false, nothing: null }));
    expect(labels).toEqual({ alertname: 'X', code: '500', ok: 'false' });
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('takes a label called %s for a label', (name) => {
    const signal = signalOf(parsed(`{"labels":{"alertname":"X","${name}":"polluted"}}`));
    expect(labelOf(signal.labels, name)).toBe('polluted');
    expect(signal.fingerprint).not.toBe(signalOf(firing({ alertname: 'X' })).fingerprint);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('does not find labels that nobody set', () => {
    expect(problemsOf({ labels: {} })).toEqual(['alertname is required']);
    const { severity, labels } = signalOf({ labels: { alertname: 'toString' } });
    expect([severity, labelOf(labels, 'toString'), labelOf(labels, '__proto__')]).toEqual([
      'warning',
      undefined,
      undefined,
    ]);
  });

  it('reads names and values beyond ASCII', () => {
    const signal = signalOf(firing({ alertname: '内存不足', 'größe.label/x': '😀' }));
    expect([signal.name, signal.labels['größe.label/x']]).toEqual(['内存不足', '😀']);
  });

  it('leaves templates and markup in values as text', () => {
    const values = ['{{constructor}}', '${7*7}', '{0.__class__}', '<script>alert(1)</script>'];
    const { labels } = signalOf(firing({ alertname: 'X', ...Object.fromEntries(values.entries()) }));
    expect(values.map((_, i) => labels[i])).toEqual(values);
  });

  describe('of what is not an alert', () => {
    it.each<[string, unknown, string[]]>([
      ['null', null, ['alert must be an object']],
      ['a text', 'alert', ['alert must be an object']],
      ['a list', [], ['alert must be an object']],
      ['an empty object', {}, ['alertname is required']],
      ['labels that are null', { labels: null }, ['alertname is required']],
      ['labels that are a list', { labels: ['alertname'] }, ['labels must be an object', 'alertname is required']],
      ['labels that are a number', { labels: 7 }, ['labels must be an object', 'alertname is required']],
      ['a name that is blank', { labels: { alertname: ' \n' } }, ['alertname is required']],
      ['a name that is null', { labels: { alertname: null } }, ['alertname is required']],
      [
        'labels that hold more than text',
        { labels: { alertname: 'X', a: {}, b: ['x'] } },
        ["labels must hold text only, 'a' does not", "labels must hold text only, 'b' does not"],
      ],
    ])('says everything that is wrong with %s', (_, alert, problems) => {
      expect(problemsOf(alert)).toEqual(problems);
    });

    it('says first what the original document says', () => {
      expect(read({ labels: { a: {} } })).toMatchObject([
        { source: 'prometheus', summary: "missing required field 'alertname'" },
      ]);
    });

    it('lists so many problems of one alert, cuts long keys, and counts the rest', () => {
      const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`${i}${'x'.repeat(1_000)}`, {}]));
      const problems = problemsOf({ labels });
      expect(problems).toHaveLength(51);
      expect(problems.at(-1)).toBe('and 9951 more');
      expect(problems.join().length).toBeLessThan(10_000);
    });

    it('leaves its siblings alone, wherever it stands', () => {
      const [a, b] = [firing({ alertname: 'A' }), firing({ alertname: 'B' })];
      for (const alerts of [
        [null, a, b],
        [a, null, b],
        [a, b, null],
      ]) {
        const names = read(...alerts).map((entry) => (entry instanceof InvalidSignal ? null : entry.name));
        expect(names).toEqual(alerts.map((alert) => (alert === a ? 'A' : alert === b ? 'B' : null)));
      }
    });
  });

  it.each([7, 'text', ['a'], { a: { deep: true }, b: ['x'], c: null }])(
    'loses no alert for annotations that make no sense: %j',
    (annotations) => {
      expect(signalOf(firing({ alertname: 'X' }, { annotations })).annotations).toEqual({});
    },
  );

  it('loses no alert for links that make no sense', () => {
    const odd = {
      version: '4',
      groupKey: 7,
      receiver: {},
      externalURL: [],
      alerts: [{ labels: { alertname: 'X' }, generatorURL: 7, fingerprint: {} }],
    };
    const [signal] = [...toSignals(odd, rules, noon)];
    expect(signal).toMatchObject({ name: 'X', links: {} });
    expect((signal as Signal).senderFingerprint).toBeUndefined();
  });

  it('reads alerts one at a time, as they are asked for', () => {
    let touched = 0;
    const alerts = Array.from({ length: 3 }, () => ({
      get labels() {
        touched++;
        return { alertname: 'X' };
      },
    }));
    const signals = toSignals(webhook(...alerts), rules, noon);
    signals.next();
    expect(touched).toBe(1);
  });

  it('answers each alert at its place and never throws, whatever JSON it is', () => {
    const odd = oneof(jsonValue(), string({ unit: 'binary' }));
    const labelsLike = dictionary(
      oneof(constantFrom('alertname', 'pod', 'namespace', 'exported_namespace', 'severity', '__proto__'), string()),
      odd,
    );
    const alertLike = record(
      { status: odd, labels: oneof(labelsLike, odd), annotations: oneof(labelsLike, odd), startsAt: odd, endsAt: odd },
      { requiredKeys: [] },
    );
    const rough = record({
      groupKey: odd,
      receiver: odd,
      externalURL: odd,
      alerts: array(oneof(alertLike, odd), { maxLength: 5 }),
    });
    assert(
      property(rough, (body) => {
        // Through JSON, for that is what arrives.
        const sent = JSON.parse(JSON.stringify(body)) as typeof body;
        const entries = [...toSignals(sent, rules, noon)];
        expect(entries).toHaveLength(sent.alerts.length);
        expect(entries.filter((entry) => !isSound(entry))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('makes a request under 256 KiB of an alert of a megabyte, whatever it consists of', () => {
    const classification = { environment: 'x', environmentSource: 'x', priority: 'P1', prioritySource: 'x' };
    const place = { namespace: 'prod', generation: 1 };
    const unit = constantFrom('x', '"', '\\', '\u0000', '漢', '😀', '\ud800');
    const size = integer({ min: 1, max: 300_000 });
    assert(
      property(unit, size, size, size, (character, a, b, c) => {
        const labels = { alertname: character.repeat(a), pod: character.repeat(b), [character.repeat(c)]: 'x' };
        const alert = firing(labels, { annotations: { long: character.repeat(c), [character.repeat(b)]: 'x' } });
        const request = buildRemediationRequest(signalOf(parsed(JSON.stringify(alert))), classification, place);
        expect(Buffer.byteLength(JSON.stringify(request))).toBeLessThan(256 * 1024);
      }),
      { numRuns: 20 },
    );
  });

  it('is the fingerprint of the domain that it computes', () => {
    const signal = signalOf(firing({ alertname: 'X', namespace: 'prod', service: 'a' }));
    const target = { resource: { kind: 'Namespace', name: 'prod' }, namespace: 'prod', specific: false };
    expect(signal.fingerprint).toBe(fingerprint('X', target, signal.labels, rules));
  });
});

/** What everything that comes out has, whatever came in. */
function isSound(entry: Signal | InvalidSignal): boolean {
  if (entry instanceof InvalidSignal) return entry.problems.length > 0;
  return /^[a-f0-9]{64}$/.test(entry.fingerprint) && Number.isFinite(entry.startsAt);
}
