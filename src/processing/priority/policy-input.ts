import type { Labels } from '../../signal/labels';
import type { Signal } from '../../signal/signal';

/** What a policy is asked about; `policies/input.schema.json` describes it. */
export interface PolicyInput {
  readonly severity: string;
  readonly environment: string;
  readonly namespace: string;
  readonly alertname: string;
  readonly source: string;
  readonly resource: { readonly kind: string; readonly name: string; readonly apiVersion?: string };
  readonly labels: Labels;
  readonly annotations: Labels;
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

/** As many as a policy is asked about at the most, long values cut. */
function bounded(texts: Labels): Labels {
  if (isBounded(texts)) return texts;
  const first = Object.entries(texts).slice(0, maxEntries);
  return Object.fromEntries(first.map(([name, value]) => [name, value.slice(0, maxValueLength)]));
}

function isBounded(texts: Labels): boolean {
  let count = 0;
  for (const name in texts) if (++count > maxEntries || (texts[name] ?? '').length > maxValueLength) return false;
  return true;
}
