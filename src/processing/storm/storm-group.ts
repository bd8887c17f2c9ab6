import { hash } from 'node:crypto';
import { maxLabelLength, maxNameLength } from '../../kubernetes/remediation-request';
import { beginningWithin } from '../../kubernetes/stored-text';
import { labelOf } from '../../signal/labels';
import { Recent } from '../../signal/recent';
import type { Signal } from '../../signal/signal';
import { targetLabels } from '../../signal/target-resource';

/** Which signals are counted together. */
export interface StormGrouping {
  /** Whether there are storms at all. */
  readonly enabled: boolean;
  /** `namespace`, `alertname`, `severity`, or names of labels. */
  readonly groupBy: readonly string[];
  readonly excludeNamespaces: readonly string[];
  readonly excludeAlerts: readonly string[];
  readonly cluster: string;
}

export interface SignalGroup {
  /** The identity of its storm: SHA-256, lower-case hex, of the JSON text of `["storm", "v1", cluster, <values>]`. */
  readonly fingerprint: string;
  /** Where its storm request is to be; empty when the group has no namespace of its own. */
  readonly namespace: string;
  /** For people: what its signals have in common. */
  readonly pattern: string;
  /** What its storm requests are called by: the same for every signal of the group. */
  readonly title: string;
}

/** Labels that name the object, or where it was scraped, rather than say what is wrong with it; `exported_` ones as well. */
const naming = new Set([...targetLabels, 'instance', 'endpoint', 'uid', 'pod_ip', 'host_ip', 'container_id']);
const maxTokens = 32;
const maxValueLength = 256;
/** Alerts that are sent together are of few groups. */
const digests = new Recent<string, string>(1_000);
const maxRememberedLength = 1_024;

/** The group of a signal; `undefined` for one that is never part of a storm. */
export function groupOf(
  signal: Signal,
  { enabled, groupBy, excludeNamespaces, excludeAlerts, cluster }: StormGrouping,
): SignalGroup | undefined {
  if (!enabled || excludeNamespaces.includes(signal.namespace) || excludeAlerts.includes(signal.name)) return undefined;
  const values = groupBy.map((name) => valueOf(signal, name));
  return {
    fingerprint: digestOf(JSON.stringify(['storm', 'v1', cluster, ...values])),
    namespace: groupBy.includes('namespace') ? signal.namespace : '',
    pattern: groupBy.map((name, i) => `${name}=${values[i]}`).join(' '),
    title: groupBy.includes('alertname') ? signal.name : values.join(' '),
  };
}

/** What the request of a storm lists of an object. Names are of any length, and a hundred have to fit: they are cut to what Kubernetes allows. */
export function namesOf({ resource: { kind, name }, namespace }: Pick<Signal, 'resource' | 'namespace'>) {
  return {
    kind: shortened(kind, maxLabelLength),
    name: shortened(name, maxNameLength),
    namespace: shortened(namespace, maxLabelLength),
  };
}

/** What tells the object of a signal from others, as a request of a storm lists it; a signal without one stands for itself. Long ones by a digest. */
export function resourceOf(signal: Pick<Signal, 'resource' | 'namespace' | 'fingerprint'>): string {
  if (signal.resource.kind === 'Unknown') return signal.fingerprint;
  const { kind, name, namespace } = namesOf(signal);
  const named = `${kind}/${namespace}/${name}`;
  return named.length < maxNameLength ? named : sha256(named);
}

/**
 * What a signal has in common with others like it: a short digest of each label and its value, without the labels that name
 * the object, and with digits and hashes in values folded, so that `payment-api-7f9c-x2x1` and its siblings are one.
 */
export function tokensOf({ labels }: Signal): string[] {
  const found: string[] = [];
  for (const label in labels) {
    if (found.length === maxTokens) break;
    if (naming.has(label.startsWith('exported_') ? label.slice('exported_'.length) : label)) continue;
    found.push(tokenOf(label, labelOf(labels, label) ?? ''));
  }
  return [...new Set(found)];
}

/** Most labels of most signals were seen a moment ago. By the name, then by the value: to join both to one key costs more than both look-ups. */
const tokens = new Recent<string, (value: string) => string>(256);
const ofValues = (label: string) => {
  const made = new Recent<string, string>(64);
  const make = (value: string) => newToken(label, value);
  return (value: string) => made.of(value, make);
};

function tokenOf(label: string, value: string): string {
  // Names and values may be of any length, and the beginning of one holds all of it in memory.
  return label.length > maxValueLength || value.length > maxValueLength
    ? newToken(label, value.slice(0, maxValueLength))
    : tokens.of(label, ofValues)(value);
}

function newToken(label: string, value: string): string {
  return sha256(`${label}=${folded(value)}`).slice(0, 12);
}

function shortened(text: string, bytes: number): string {
  const beginning = beginningWithin(text, bytes);
  return beginning === text ? text : beginning.toWellFormed();
}

function digestOf(identity: string): string {
  return identity.length > maxRememberedLength ? sha256(identity) : digests.of(identity, sha256);
}

function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}

function valueOf(signal: Signal, name: string): string {
  switch (name) {
    case 'namespace':
      return signal.namespace;
    case 'alertname':
      return signal.name;
    case 'severity':
      return signal.severity;
    default:
      return labelOf(signal.labels, name) ?? '';
  }
}

/** A word with a digit is a number, a hash or the suffix of a pod; so is one of five letters as Kubernetes makes them. */
function folded(value: string): string {
  return value.replace(/[A-Za-z0-9]+/g, (word) =>
    /\d/.test(word) || /^[bcdfghjklmnpqrstvwxz]{5}$/.test(word) ? '#' : word,
  );
}
