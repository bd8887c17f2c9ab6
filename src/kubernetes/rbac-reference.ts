import { stringify } from 'yaml';
import { neededPermissions, sendSignals, type Permission } from './permissions';

/** A rule of a Role, as RBAC has it. */
export interface RoleRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface RoleRules {
  /** Of the ClusterRole. */
  readonly cluster: readonly RoleRule[];
  /** Of the Role in the namespace of the environment overrides. */
  readonly overrides: readonly RoleRule[];
  /** Of the ClusterRole that senders are bound to. */
  readonly sender: readonly RoleRule[];
}

const namespace = 'kubernaut-system';
const defaultOverrides = { namespace, name: 'kubernaut-environment-overrides' };
const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1`;

const preamble = `# What the gateway may do, and nothing else: apply it before the gateway runs under this ServiceAccount. This file is generated.
# A sender needs a binding to gateway-signal-sender as well: docs/security.md shows how.
`;

/** The rules that the permissions amount to. */
export function roleRules(): RoleRules {
  const permissions = neededPermissions(defaultOverrides);
  return {
    cluster: rulesOf(permissions.filter((permission) => permission.namespace === undefined)),
    overrides: rulesOf(permissions.filter((permission) => permission.namespace !== undefined)),
    sender: [{ apiGroups: [sendSignals.group], resources: [sendSignals.resource], verbs: [sendSignals.verb] }],
  };
}

/** The text of a file that the chart includes. */
export function chartRules(which: keyof RoleRules): string {
  return `# This file is generated.\n${stringify(roleRules()[which])}`;
}

/** The text of `docs/rbac.yaml`. */
export function rbacManifests(): string {
  const { cluster, overrides, sender } = roleRules();
  const subjects = [{ kind: 'ServiceAccount', name: 'gateway-sa', namespace }];
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'gateway-sa', namespace } },
    { apiVersion, kind: 'ClusterRole', metadata: { name: 'gateway-role' }, rules: cluster },
    {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'gateway-binding' },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'gateway-role' },
      subjects,
    },
    { apiVersion, kind: 'Role', metadata: { name: 'gateway-role', namespace }, rules: overrides },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: 'gateway-binding', namespace },
      roleRef: { apiGroup: group, kind: 'Role', name: 'gateway-role' },
      subjects,
    },
    { apiVersion, kind: 'ClusterRole', metadata: { name: 'gateway-signal-sender' }, rules: sender },
  ];
  return `${preamble}${objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n')}`;
}

function rulesOf(permissions: readonly Permission[]): RoleRule[] {
  const rules = new Map<string, RoleRule & { readonly verbs: string[] }>();
  for (const { group: apiGroup, resource, subresource, name, verb } of permissions) {
    const what = subresource === undefined ? resource : `${resource}/${subresource}`;
    const key = `${apiGroup} ${what} ${name ?? ''}`;
    const rule = rules.get(key);
    if (rule !== undefined) rule.verbs.push(verb);
    else {
      const names = name === undefined ? {} : { resourceNames: [name] };
      rules.set(key, { apiGroups: [apiGroup], resources: [what], ...names, verbs: [verb] });
    }
  }
  return [...rules.values()];
}
