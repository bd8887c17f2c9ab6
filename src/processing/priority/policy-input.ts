import { labelOf, type Labels } from '../../signal/labels';
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
    namespace: cut(namespace),
    alertname: cut(name),
    source,
    resource: bounded(resource),
    labels: bounded(labels),
    annotations: bounded(annotations),
    storm,
  };
}

/** As many texts as a policy is asked about at the most, long ones cut. */
function bounded<Texts extends object>(texts: Texts): Texts {
  if (isBounded(texts)) return texts;
  const first = Object.entries(texts as Labels).slice(0, maxEntries);
  return Object.fromEntries(first.map(([name, value]) => [name, cut(value)])) as Texts;
}

function isBounded(texts: object): boolean {
  let count = 0;
  for (const name in texts) {
    const { length } = labelOf(texts as Labels, name) ?? '';
    if (++count > maxEntries || length > maxValueLength) return false;
  }
  return true;
}

/** OPA refuses half a character, so one that is cut in two is replaced. */
function cut(text: string): string {
  return text.length > maxValueLength ? text.slice(0, maxValueLength).toWellFormed() : text;
}
