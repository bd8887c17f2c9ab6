import { defineSource } from '../source';
import { GrafanaSettings } from './grafana.settings';

export const grafana = defineSource({
  title: 'Grafana.',
  settings: GrafanaSettings,
  module: async () => (await import('./grafana.module.js')).GrafanaModule,
});
