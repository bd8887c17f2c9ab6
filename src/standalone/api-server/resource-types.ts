import { badRequest, invalid, type StatusCause } from './api-status';
import {
  configMapSchema,
  namespaceSchema,
  roleBindingSchema,
  roleSchema,
  serviceAccountSchema,
} from './built-in-schemas';
import type { KubernetesObject } from './kubernetes-object';
import { isRecord, unknownRules, type StructuralSchema } from './structural-schema';

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority?: number;
  readonly description?: string;
}

/** A kind of object that is served, built in or by a CRD. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
  readonly columns: readonly Column[];
  /** Fields that can be selected by, beside name and namespace. */
  readonly selectableFields?: readonly string[];
  /** Made by a CRD: counts generations, knows no strategic merge. */
  readonly custom: boolean;
  /** Absent: taken as it comes. */
  readonly schema?: StructuralSchema;
  /** What a name may be: default is a DNS subdomain. */
  readonly names?: 'label' | 'path segment';
  /** Deleting answers the object that was, not just that it worked. */
  readonly answersDeleted?: boolean;
}

const builtIn = (
  group: string,
  version: string,
  plural: string,
  kind: string,
  rest: Partial<ResourceType> = {},
): ResourceType => ({
  group,
  version,
  plural,
  kind,
  singular: kind.toLowerCase(),
  listKind: `${kind}List`,
  shortNames: [],
  namespaced: true,
  hasStatus: false,
  columns: [],
  custom: false,
  ...rest,
});

export const namespaceType = builtIn('', 'v1', 'namespaces', 'Namespace', {
  shortNames: ['ns'],
  namespaced: false,
  hasStatus: true,
  columns: [{ name: 'Status', type: 'string', jsonPath: '.status.phase' }],
  names: 'label',
  schema: namespaceSchema,
});

export const crdType = builtIn('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition', {
  shortNames: ['crd', 'crds'],
  namespaced: false,
  hasStatus: true,
});

export const serviceAccountType = builtIn('', 'v1', 'serviceaccounts', 'ServiceAccount', {
  shortNames: ['sa'],
  schema: serviceAccountSchema,
  answersDeleted: true,
});

const createdAt: Column = { name: 'Created At', type: 'string', jsonPath: '.metadata.creationTimestamp' };
const role: Column = { name: 'Role', type: 'string', jsonPath: '.roleRef.name' };

const rbac = (plural: string, kind: string, rest: Partial<ResourceType>): ResourceType =>
  builtIn('rbac.authorization.k8s.io', 'v1', plural, kind, { names: 'path segment', ...rest });

export const roleType = rbac('roles', 'Role', { columns: [createdAt], schema: roleSchema });
export const clusterRoleType = rbac('clusterroles', 'ClusterRole', {
  namespaced: false,
  columns: [createdAt],
  schema: roleSchema,
});
export const roleBindingType = rbac('rolebindings', 'RoleBinding', { columns: [role], schema: roleBindingSchema });
export const clusterRoleBindingType = rbac('clusterrolebindings', 'ClusterRoleBinding', {
  namespaced: false,
  columns: [role],
  schema: roleBindingSchema,
});

export const builtInTypes: readonly ResourceType[] = [
  namespaceType,
  serviceAccountType,
  builtIn('', 'v1', 'configmaps', 'ConfigMap', { shortNames: ['cm'], schema: configMapSchema }),
  builtIn('', 'v1', 'events', 'Event', {
    shortNames: ['ev'],
    selectableFields: ['type', 'reason', 'involvedObject.kind', 'involvedObject.name', 'involvedObject.namespace'],
  }),
  // Nothing runs here: they are what owners are found by.
  builtIn('', 'v1', 'pods', 'Pod', { shortNames: ['po'], hasStatus: true }),
  builtIn('apps', 'v1', 'deployments', 'Deployment', { shortNames: ['deploy'], hasStatus: true }),
  builtIn('apps', 'v1', 'replicasets', 'ReplicaSet', { shortNames: ['rs'], hasStatus: true }),
  builtIn('apps', 'v1', 'statefulsets', 'StatefulSet', { shortNames: ['sts'], hasStatus: true }),
  builtIn('apps', 'v1', 'daemonsets', 'DaemonSet', { shortNames: ['ds'], hasStatus: true }),
  builtIn('batch', 'v1', 'jobs', 'Job', { hasStatus: true }),
  builtIn('batch', 'v1', 'cronjobs', 'CronJob', { shortNames: ['cj'], hasStatus: true }),
  builtIn('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  roleType,
  clusterRoleType,
  roleBindingType,
  clusterRoleBindingType,
  crdType,
];

export function apiVersionOf({ group, version }: Pick<ResourceType, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

function hasVersions({ versions }: CrdSpec): boolean {
  return Array.isArray(versions);
}

interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly schema?: { readonly openAPIV3Schema?: StructuralSchema };
  readonly subresources?: { readonly status?: object };
  readonly additionalPrinterColumns?: readonly Column[];
}

interface CrdSpec {
  readonly group: string;
  readonly scope: string;
  readonly names: {
    readonly plural: string;
    readonly singular?: string;
    readonly kind: string;
    readonly listKind?: string;
    readonly shortNames?: readonly string[];
  };
  readonly versions: readonly CrdVersion[];
}

/**
 * The resource types that a CRD makes.
 * @throws ApiStatus for a CRD with a rule that is not understood
 */
export function typesOf(crd: KubernetesObject): ResourceType[] {
  const spec = crd.spec as CrdSpec | undefined;
  if (spec === undefined || !isRecord(spec.names) || !hasVersions(spec))
    throw badRequest('the CustomResourceDefinition has no spec with names and versions');
  const causes = spec.versions.flatMap(({ schema }, i): StatusCause[] =>
    unknownRules(schema?.openAPIV3Schema ?? {}).map((rule) => ({
      reason: 'FieldValueInvalid',
      field: `spec.versions[${i}].schema`,
      message: `Invalid value: ${JSON.stringify(rule)}: this API server understands the rule "self == oldSelf" alone`,
    })),
  );
  if (causes.length > 0) throw invalid(crdType, crd.metadata.name ?? '', causes);
  const { names } = spec;
  return spec.versions
    .filter(({ served }) => served)
    .map(({ name, schema, subresources, additionalPrinterColumns }) => ({
      group: spec.group,
      version: name,
      plural: names.plural,
      singular: names.singular ?? names.kind.toLowerCase(),
      kind: names.kind,
      listKind: names.listKind ?? `${names.kind}List`,
      shortNames: names.shortNames ?? [],
      namespaced: spec.scope === 'Namespaced',
      hasStatus: subresources?.status !== undefined,
      columns: additionalPrinterColumns ?? [],
      custom: true,
      schema: schema?.openAPIV3Schema ?? { 'x-kubernetes-preserve-unknown-fields': true },
    }));
}
