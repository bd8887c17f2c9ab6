import { defineSource } from '../source';
import { PrometheusSettings } from './prometheus.settings';

export const prometheus = defineSource({
  title: 'Alertmanager.',
  settings: PrometheusSettings,
  module: async () => (await import('./prometheus.module.js')).PrometheusModule,
});
