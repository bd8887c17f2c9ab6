import { fingerprint } from '../../signal/fingerprint';
import { isSignal, type Signal, type SignalReading } from '../../signal/signal';
import { noTarget } from '../../signal/target-resource';
import { readAlert } from '../alertmanager-alert';
import { isObject, present, textOf } from '../json-values';
import type { SignalRules } from '../signal-rules';
import type { GrafanaWebhookDto } from './grafana-webhook.dto';

/** What Grafana calls an alert whose rule could not be evaluated, whatever the rule is called. */
const aboutMonitoring = new Set(['DatasourceNoData', 'DatasourceError']);

/** Reads Grafana's alerts, one at a time as they are asked for. They look like Alertmanager's, with links of their own. */
export function* toSignals(
  webhook: GrafanaWebhookDto,
  rules: SignalRules,
  receivedAt: number,
): Generator<SignalReading> {
  const { externalURL, receiver, groupKey } = webhook;
  const links = present({ externalURL: textOf(externalURL), receiver: textOf(receiver), groupKey: textOf(groupKey) });
  for (const alert of webhook.alerts) {
    const own = isObject(alert) ? linksOf(alert) : {};
    const reading = readAlert(alert, { source: 'grafana', links: { ...links, ...own }, receivedAt }, rules);
    yield isSignal(reading) && aboutMonitoring.has(reading.name) ? withoutTarget(reading, rules) : reading;
  }
}

function linksOf({ dashboardURL, panelURL, silenceURL, imageURL }: Record<string, unknown>): Signal['links'] {
  return present({
    dashboardURL: textOf(dashboardURL),
    panelURL: textOf(panelURL),
    silenceURL: textOf(silenceURL),
    imageURL: textOf(imageURL),
  });
}

/**
 * Nothing is known of the workload that the rule's labels name: what is broken is its monitoring. All labels tell two such
 * rules apart, among them `rulename` and `datasource_uid`.
 */
function withoutTarget(signal: Signal, rules: SignalRules): Signal {
  const { namespace, resource } = noTarget;
  return { ...signal, namespace, resource, fingerprint: fingerprint(signal.name, noTarget, signal.labels, rules) };
}
