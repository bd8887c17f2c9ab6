import type { KubernetesObject } from './kubernetes-object';
import type { ObjectStore } from './object-store';
import { clusterRoleBindingType, clusterRoleType, roleBindingType, roleType } from './resource-types';

/** Who wants to do what. */
export interface AccessRequest {
  readonly user: string;
  readonly groups: readonly string[];
  readonly action: ResourceAction | PathAction;
}

export interface ResourceAction {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Empty: cluster-wide. */
  readonly namespace: string;
}

export interface PathAction {
  readonly verb: string;
  readonly path: string;
}

export interface AccessDecision {
  readonly allowed: boolean;
  readonly reason?: string;
}

interface PolicyRule {
  readonly verbs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

interface BindingSubject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

interface Binding extends KubernetesObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly BindingSubject[];
}

/** Whom no role has to allow anything, so that a cluster can be mended. */
const almighty = 'system:masters';

/** Decides by roles and bindings, in the words of the real server. */
export function decideAccess(store: ObjectStore, request: AccessRequest): AccessDecision {
  if (request.groups.includes(almighty)) return { allowed: true };
  const { action } = request;
  const namespace = 'path' in action ? '' : action.namespace;
  const clusterWide = store.list(clusterRoleBindingType);
  const local = store.list(roleBindingType).filter(({ metadata }) => metadata.namespace === namespace);
  const missing = new Set<string>();
  for (const binding of [...clusterWide, ...local] as Binding[]) {
    const subject = (binding.subjects ?? []).find((candidate) => isMeant(candidate, binding, request));
    if (subject === undefined) continue;
    const role = roleOf(store, binding);
    if (role === undefined) missing.add(nameOfMissing(binding));
    else if (rulesOf(role).some((rule) => allows(rule, action)))
      return { allowed: true, reason: `RBAC: allowed by ${shown(binding)} to ${shownSubject(subject)}` };
  }
  if (missing.size === 0) return { allowed: false };
  const errors = [...missing];
  return { allowed: false, reason: `RBAC: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}` };
}

function roleOf(store: ObjectStore, { roleRef, metadata }: Binding): KubernetesObject | undefined {
  return roleRef.kind === 'ClusterRole'
    ? store.get(clusterRoleType, undefined, roleRef.name)
    : store.get(roleType, metadata.namespace, roleRef.name);
}

function rulesOf(role: KubernetesObject): readonly PolicyRule[] {
  return (role.rules as readonly PolicyRule[] | null | undefined) ?? [];
}

function isMeant(
  { kind, name, namespace }: BindingSubject,
  binding: Binding,
  { user, groups }: AccessRequest,
): boolean {
  switch (kind) {
    case 'User':
      return user === name;
    case 'Group':
      return groups.includes(name);
    default:
      return user === `system:serviceaccount:${namespace ?? binding.metadata.namespace ?? ''}:${name}`;
  }
}

function allows(rule: PolicyRule, action: ResourceAction | PathAction): boolean {
  if (!includes(rule.verbs, action.verb)) return false;
  if ('path' in action) {
    return (rule.nonResourceURLs ?? []).some(
      (url) => url === action.path || (url.endsWith('*') && action.path.startsWith(url.slice(0, -1))),
    );
  }
  const { group, resource, subresource, name } = action;
  const wanted = subresource === '' ? resource : `${resource}/${subresource}`;
  const { resources = [], resourceNames = [] } = rule;
  return (
    includes(rule.apiGroups, group) &&
    (includes(resources, wanted) || (subresource !== '' && resources.includes(`*/${subresource}`))) &&
    (resourceNames.length === 0 || resourceNames.includes(name))
  );
}

function includes(allowed: readonly string[] = [], wanted: string): boolean {
  return allowed.includes('*') || allowed.includes(wanted);
}

function shown({ kind, metadata, roleRef }: Binding): string {
  const { name = '', namespace } = metadata;
  return `${kind} "${namespace === undefined ? name : `${name}/${namespace}`}" of ${roleRef.kind} "${roleRef.name}"`;
}

function shownSubject({ kind, name, namespace }: BindingSubject): string {
  return `${kind} "${kind === 'ServiceAccount' ? `${name}/${namespace ?? ''}` : name}"`;
}

function nameOfMissing({ roleRef }: Binding): string {
  return `${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io "${roleRef.name}" not found`;
}
