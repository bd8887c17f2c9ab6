import { hash } from 'node:crypto';
import type { Labels } from './labels';
import type { Target } from './target-resource';

export interface IdentityRules {
  /** Tells clusters apart that share one gateway; empty for one cluster. */
  readonly cluster: string;
  /** Whether all signals about an object are one incident, whatever they are called. Those that name none are still told apart. */
  readonly anyName?: boolean;
  /** Labels that always join the identity. */
  readonly identityLabels: readonly string[];
  /** Labels that only say which replica of the sender spoke; they never count. */
  readonly replicaLabels: ReadonlySet<string>;
}

/**
 * The identity of an incident: SHA-256, lower-case hex, of the JSON text of
 * `["v1", cluster, name, namespace, kind, resource]`.
 *
 * A JSON array cannot be read two ways, whatever the values hold. Without a target object of its own, all labels but
 * those of replicas and the severity follow as sorted pairs, so that `HTTPErrors{service=a}` and `{service=b}` are two
 * incidents. Configured identity labels follow in the same manner for every signal (contract, section 4). The name is empty
 * where only the object counts; no signal is called so.
 *
 * Changing anything here makes every known incident a new one: the golden vectors in the spec stand guard.
 */
export function fingerprint(name: string, target: Target, labels: Labels, rules: IdentityRules): string {
  const { namespace, resource, specific } = target;
  const identifying = rules.anyName === true && specific ? '' : name;
  const identity: unknown[] = ['v1', rules.cluster, identifying, namespace, resource.kind, resource.name];
  if (!specific || rules.identityLabels.length > 0) {
    identity.push(sorted(Object.entries(labels).filter(([label]) => counts(label, target, rules))));
  }
  return hash('sha256', JSON.stringify(identity), 'hex');
}

/** Whether a label joins the identity of this target. */
function counts(label: string, target: Target, { identityLabels, replicaLabels }: IdentityRules): boolean {
  if (replicaLabels.has(label)) return false;
  return identityLabels.includes(label) || (!target.specific && label !== 'severity');
}

/** By UTF-16 code units of the name: the same on every machine, unlike a locale's order. */
function sorted(pairs: [string, string][]): [string, string][] {
  return pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
