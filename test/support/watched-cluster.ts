import { EnvironmentOverrides } from '../../src/kubernetes/environment-overrides';
import type { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { Namespaces } from '../../src/kubernetes/namespaces';
import { RecordingLog } from './recording-log';

const noApi = {} as KubernetesApi;

/** The labels of namespaces as a spec sets them, e.g. `{prod: {environment: 'production'}}`. */
export class FakeNamespaces extends Namespaces {
  constructor(readonly labelsOf: Record<string, Record<string, string>> = {}) {
    super(noApi, new RecordingLog());
    this.cache.synced = true;
  }

  override label(namespace: string, label: string): string | undefined {
    return this.labelsOf[namespace]?.[label];
  }
}

/** The ConfigMap as a spec sets it, e.g. `{prod: 'canary'}`. */
export class FakeOverrides extends EnvironmentOverrides {
  constructor(readonly data: Record<string, string> = {}) {
    super(noApi, { namespace: 'kubernaut-system', name: 'overrides' }, new RecordingLog());
    this.cache.synced = true;
  }

  override environmentOf(namespace: string): string | undefined {
    return this.data[namespace];
  }
}
