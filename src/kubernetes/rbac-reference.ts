import { stringify } from 'yaml';
import { neededPermissions, sendSignals, type ClusterNeeds, type Permission } from './permissions';

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
  /** Of the ClusterRole that finding owners needs. */
  readonly owners: readonly RoleRule[];
  /** Of the ClusterRole that watching events needs. */
  readonly events: readonly RoleRule[];
  /** Of the Role in the gateway's own namespace that watching events needs. */
  readonly lease: readonly RoleRule[];
  /** Of the ClusterRole that senders are bound to. */
  readonly sender: readonly RoleRule[];
}

const namespace = 'kubernaut-system';
const defaultOverrides = { namespace, name: 'kubernaut-environment-overrides' };
const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1`;
const subjects = [{ kind: 'ServiceAccount', name: 'gateway-sa', namespace }];

const preamble = `# What the gateway may do, and nothing else: apply it before the gateway runs under this ServiceAccount. This file is generated.
# A sender needs a binding to gateway-signal-sender as well: docs/security.md shows how.
`;

/** The rules that the permissions amount to. */
export function roleRules(): RoleRules {
  const always = neededPermissions({ overrides: defaultOverrides });
  const more = (needs: Omit<ClusterNeeds, 'overrides'>) =>
    neededPermissions({ overrides: defaultOverrides, ...needs }).slice(always.length);
  const inCluster = (permission: Permission) => permission.namespace === undefined;
  const inNamespace = (permission: Permission) => permission.namespace !== undefined;
  const eventWatch = more({ eventWatchIn: namespace });
  return {
    cluster: rulesOf(always.filter(inCluster)),
    overrides: rulesOf(always.filter(inNamespace)),
    owners: rulesOf(more({ owners: true })),
    events: rulesOf(eventWatch.filter(inCluster)),
    lease: rulesOf(eventWatch.filter(inNamespace)),
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
  return manifests(preamble, [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'gateway-sa', namespace } },
    ...clusterRole('gateway-role', 'gateway-binding', cluster),
    ...role('gateway-role', 'gateway-binding', overrides),
    { apiVersion, kind: 'ClusterRole', metadata: { name: 'gateway-signal-sender' }, rules: sender },
  ]);
}

/** The text of `docs/rbac-owners.yaml`. */
export function ownerRbacManifests(): string {
  return manifests(
    `# What the gateway may do beside docs/rbac.yaml when fingerprint.identity is owner or owner_only. This file is generated.\n`,
    clusterRole('gateway-owner-reader', 'gateway-owner-reader', roleRules().owners),
  );
}

/** The text of `docs/rbac-event-watch.yaml`. */
export function eventWatchRbacManifests(): string {
  const { events, lease } = roleRules();
  return manifests(
    `# What the gateway may do beside docs/rbac.yaml when adapters.kubernetes_event.watch is true. This file is generated.\n`,
    [
      ...clusterRole('gateway-event-watcher', 'gateway-event-watcher', events),
      ...role('gateway-event-watcher', 'gateway-event-watcher', lease),
    ],
  );
}

function manifests(comment: string, objects: readonly object[]): string {
  return `${comment}${objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n')}`;
}

/** With its binding to the gateway. */
function clusterRole(name: string, binding: string, rules: readonly RoleRule[]): object[] {
  return [
    { apiVersion, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: binding },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name },
      subjects,
    },
  ];
}

/** In the gateway's namespace, with its binding to the gateway. */
function role(name: string, binding: string, rules: readonly RoleRule[]): object[] {
  return [
    { apiVersion, kind: 'Role', metadata: { name, namespace }, rules },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: binding, namespace },
      roleRef: { apiGroup: group, kind: 'Role', name },
      subjects,
    },
  ];
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
