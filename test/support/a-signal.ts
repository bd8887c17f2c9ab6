import { fingerprint, type IdentityRules } from '../../src/signal/fingerprint';
import type { Signal } from '../../src/signal/signal';
import { noon } from './fake-clock';

/** One cluster, and neither identity nor replica labels configured. */
export const plainRules: IdentityRules = { cluster: '', identityLabels: [], replicaLabels: new Set() };

/**
 * A pod that fires; what a spec cares about goes into `overrides`. Its fingerprint follows from its name, namespace and
 * resource, so two signals of one incident are equal in these, unless a spec sets it.
 */
export function aSignal(overrides: Partial<Signal> = {}): Signal {
  const signal = {
    source: 'prometheus',
    name: 'HighMemoryUsage',
    status: 'firing',
    severity: 'critical',
    namespace: 'prod-payment-service',
    resource: { kind: 'Pod', name: 'payment-api-789', apiVersion: 'v1' },
    labels: { alertname: overrides.name ?? 'HighMemoryUsage' },
    annotations: { description: 'Pod using 95% memory' },
    startsAt: noon - 60_000,
    receivedAt: noon,
    links: {},
    payload: { labels: { alertname: overrides.name ?? 'HighMemoryUsage' } },
    ...overrides,
  } as const satisfies Omit<Signal, 'fingerprint'>;
  const { name, namespace, resource, labels } = signal;
  return { fingerprint: fingerprint(name, { namespace, resource, specific: true }, labels, plainRules), ...signal };
}

/** Signals of the same alert for as many pods, each an incident of its own. */
export function signalsOfPods(...pods: readonly string[]): Signal[] {
  return pods.map((name) => aSignal({ resource: { kind: 'Pod', name, apiVersion: 'v1' } }));
}
