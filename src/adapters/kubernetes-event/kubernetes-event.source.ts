import { defineSource } from '../source';
import { KubernetesEventSettings } from './kubernetes-event.settings';

export const kubernetesEvent = defineSource({
  title: 'Kubernetes Events.',
  settings: KubernetesEventSettings,
  module: async () => (await import('./kubernetes-event.module.js')).KubernetesEventModule,
});
