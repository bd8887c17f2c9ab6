import type { InvalidSignal, Signal } from '../../signal/signal';
import { readAlert } from '../alertmanager-alert';
import { present, textOf } from '../json-values';
import type { SignalRules } from '../signal-rules';
import type { AlertmanagerWebhookDto } from './alertmanager-webhook.dto';

/**
 * Reads Alertmanager's alerts, one at a time as they are asked for: ten thousand are not all mapped before the first is
 * processed. What is not an alert comes out as an `InvalidSignal` in its place.
 */
export function* toSignals(
  webhook: AlertmanagerWebhookDto,
  rules: SignalRules,
  receivedAt: number,
): Generator<Signal | InvalidSignal> {
  const { externalURL, receiver, groupKey } = webhook;
  const links = present({ externalURL: textOf(externalURL), receiver: textOf(receiver), groupKey: textOf(groupKey) });
  for (const alert of webhook.alerts) yield readAlert(alert, { source: 'prometheus', links, receivedAt }, rules);
}
