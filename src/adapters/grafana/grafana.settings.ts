import { SourceSettings } from '../../config/source-settings';

export class GrafanaSettings extends SourceSettings {
  override path = '/api/v1/signals/grafana';
}
