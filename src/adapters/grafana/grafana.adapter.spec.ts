import { anything, assert, constantFrom, dictionary, property, record, string } from 'fast-check';
import { plainRules } from '../../../test/support/a-signal';
import { noon } from '../../../test/support/fake-clock';
import { InvalidSignal, isSignal, type Signal } from '../../signal/signal';
import type { SignalRules } from '../signal-rules';
import { toSignals } from './grafana.adapter';
import { grafanaExamples } from './grafana.examples';
import type { GrafanaWebhookDto } from './grafana-webhook.dto';

const rules: SignalRules = { ...plainRules, defaultNamespace: 'default', severityMapping: new Map() };
const read = (webhook: Partial<GrafanaWebhookDto>) => [...toSignals({ alerts: [], ...webhook }, rules, noon)];
const signalOf = (alert: object): Signal => {
  const [reading] = read({ alerts: [alert] });
  if (reading === undefined || !isSignal(reading)) throw new Error('no signal');
  return reading;
};
const labels = { alertname: 'HighLatency', namespace: 'prod', pod: 'api-0' };

describe('toSignals', () => {
  it('reads everything of an alert, its links and those of the webhook', () => {
    const { alerts, externalURL, receiver, groupKey } = grafanaExamples.firing.value;
    const [signal] = read({ alerts, externalURL, receiver, groupKey });
    expect(signal).toMatchObject({
      source: 'grafana',
      name: 'HighLatency',
      status: 'firing',
      severity: 'warning',
      namespace: 'staging-checkout',
      resource: { kind: 'Deployment', name: 'checkout' },
      startsAt: Date.parse('2025-10-04T10:00:00Z'),
      links: {
        externalURL: 'https://grafana.example.com/',
        receiver: 'kubernaut-gateway',
        groupKey: '{}:{alertname="HighLatency"}',
        generatorURL: alerts[0]?.generatorURL,
        dashboardURL: 'https://grafana.example.com/d/checkout?orgId=1',
        panelURL: 'https://grafana.example.com/d/checkout?orgId=1&viewPanel=2',
        silenceURL: 'https://grafana.example.com/alerting/silence/new?alertmanager=grafana',
      },
      senderFingerprint: 'c6eadffa33fcdf37',
      payload: alerts[0],
    });
    expect((signal as Signal).links).not.toHaveProperty('imageURL');
    expect((signal as Signal).endsAt).toBeUndefined();
  });

  it('gives what fires and what resolved the same fingerprint, which Alertmanager would give as well', () => {
    const fires = signalOf({ status: 'firing', labels, values: null });
    const resolves = signalOf({ status: 'resolved', labels, endsAt: '2025-10-04T10:05:00Z' });
    expect(resolves.fingerprint).toBe(fires.fingerprint);
    expect([resolves.status, resolves.endsAt]).toEqual(['resolved', Date.parse('2025-10-04T10:05:00Z')]);
  });

  describe.each(['DatasourceNoData', 'DatasourceError'])('of %s', (alertname) => {
    const of = (rulename: string, more: object = {}) =>
      signalOf({ labels: { ...labels, alertname, rulename, datasource_uid: 'p' }, ...more });

    it('names no workload, whatever the labels of its rule name', () => {
      expect(of('HighLatency')).toMatchObject({ resource: { kind: 'Unknown', name: 'unknown' } });
    });

    it('is in the namespace that its rule names, if it names one', () => {
      expect(of('HighLatency').namespace).toBe(labels.namespace);
      const { namespace: _, ...none } = labels;
      expect(signalOf({ labels: { ...none, alertname, rulename: 'HighLatency' } }).namespace).toBe('');
    });

    it('tells rules apart, and resolves what fired', () => {
      expect(of('HighLatency').fingerprint).not.toBe(of('HighMemory').fingerprint);
      expect(of('HighLatency', { status: 'resolved' }).fingerprint).toBe(of('HighLatency').fingerprint);
    });
  });

  it('leaves what is no alert in its place', () => {
    const readings = read({ alerts: [null, { labels: {} }, { labels }, 'x'] });
    expect(readings.map((reading) => reading instanceof InvalidSignal)).toEqual([true, true, false, true]);
  });

  it('takes whatever comes', () => {
    const some = constantFrom('alertname', 'namespace', 'pod', '__proto__', 'rulename');
    const alert = record(
      { labels: dictionary(some, string()), values: anything(), dashboardURL: anything(), startsAt: anything() },
      { requiredKeys: [] },
    );
    assert(
      property(alert, anything(), (one, link) => {
        expect(read({ alerts: [one], externalURL: link })).toHaveLength(1);
      }),
    );
  });
});
