import { badRequest, invalid, type StatusCause } from './api-status';
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
  /** Of custom resources. What is built in is taken as it comes. */
  readonly schema?: StructuralSchema;
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
  ...rest,
});

export const namespaceType = builtIn('', 'v1', 'namespaces', 'Namespace', {
  shortNames: ['ns'],
  namespaced: false,
  hasStatus: true,
  columns: [{ name: 'Status', type: 'string', jsonPath: '.status.phase' }],
});

export const crdType = builtIn('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition', {
  shortNames: ['crd', 'crds'],
  namespaced: false,
  hasStatus: true,
});

export const builtInTypes: readonly ResourceType[] = [
  namespaceType,
  builtIn('', 'v1', 'configmaps', 'ConfigMap', { shortNames: ['cm'] }),
  builtIn('', 'v1', 'events', 'Event', { shortNames: ['ev'] }),
  builtIn('coordination.k8s.io', 'v1', 'leases', 'Lease'),
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
      schema: schema?.openAPIV3Schema ?? { 'x-kubernetes-preserve-unknown-fields': true },
    }));
}
