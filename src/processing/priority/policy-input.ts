import { recordOf } from '../../signal/record-of';
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

function bounded(entries: ReadonlyMap<string, string>): Record<string, string> {
  const isShort = (value: string) => value.length <= maxValueLength;
  if (entries.size <= maxEntries && [...entries.values()].every(isShort)) return recordOf(entries);
  const first = [...entries].slice(0, maxEntries);
  return recordOf(new Map(first.map(([name, value]) => [name, value.slice(0, maxValueLength)])));
}
