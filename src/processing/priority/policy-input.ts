import type { Signal } from '../../signal/signal';

/** What a policy is asked about; `policies/input.schema.json` describes it. */
export interface PolicyInput {
  readonly severity: string;
  readonly environment: string;
  readonly namespace: string;
  readonly alertname: string;
  readonly source: string;
  readonly resource: { readonly kind: string; readonly name: string; readonly apiVersion?: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether it is about a storm of such signals. */
  readonly storm: boolean;
}

const maxEntries = 256;
const maxValueLength = 4_096;

export function policyInputOf(signal: Signal, environment: string, storm: boolean): PolicyInput {
  const { severity, namespace, name, source, resource, labels, annotations } = signal;
  return {
    severity,
    environment,
    namespace,
    alertname: name,
    source,
    resource,
    labels: bounded(labels),
    annotations: bounded(annotations),
    storm,
  };
}

/** `fromEntries` makes a key `__proto__` an entry like any other. */
function bounded(entries: ReadonlyMap<string, string>): Record<string, string> {
  const kept: [string, string][] = [];
  for (const [name, value] of entries) {
    if (kept.length === maxEntries) break;
    kept.push([name, value.slice(0, maxValueLength)]);
  }
  return Object.fromEntries(kept);
}
