import { HmacSettings } from '../../config/hmac-settings';
import { Section } from '../../config/setting';
import { SourceSettings } from '../../config/source-settings';

export class GrafanaSettings extends SourceSettings {
  override path = '/api/v1/signals/grafana';

  @Section('Webhooks that are signed (HMAC-SHA256), beside those with a token.')
  override hmac = new HmacSettings('X-Grafana-Alerting-Signature', 'grafana');
}
