import { SourceSettings } from '../../config/source-settings';

export class PrometheusSettings extends SourceSettings {
  override enabled = true;
  override path = '/api/v1/signals/prometheus';
}
