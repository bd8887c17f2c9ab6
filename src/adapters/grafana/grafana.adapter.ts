import type { Signal, SignalReading } from '../../signal/signal';
import { readAlert } from '../alertmanager-alert';
import { isObject, present, textOf } from '../json-values';
import type { SignalRules } from '../signal-rules';
import type { GrafanaWebhookDto } from './grafana-webhook.dto';

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
    yield readAlert(alert, { source: 'grafana', links: { ...links, ...own }, receivedAt }, rules);
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
