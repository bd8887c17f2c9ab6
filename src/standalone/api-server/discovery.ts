import { apiVersionOf, serviceAccountType, type ResourceType } from './resource-types';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const reviewTypes = [
  { group: 'authentication.k8s.io', plural: 'tokenreviews', kind: 'TokenReview' },
  { group: 'authorization.k8s.io', plural: 'subjectaccessreviews', kind: 'SubjectAccessReview' },
  { group: 'authorization.k8s.io', plural: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview' },
];

const tokenSubresource = {
  name: 'serviceaccounts/token',
  singularName: '',
  namespaced: true,
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  verbs: ['create'],
};

/** What is served, for clients that ask. `undefined` for a path that is none of discovery's. */
export function discover(path: string, types: readonly ResourceType[], serverAddress: string): object | undefined {
  switch (path) {
    case '/version':
      return {
        major: '1',
        minor: '36',
        gitVersion: 'v1.36.0+kubernaut-standalone',
        gitCommit: '',
        gitTreeState: 'clean',
        buildDate: '1970-01-01T00:00:00Z',
        goVersion: '',
        compiler: '',
        platform: '',
      };
    case '/api':
      return {
        kind: 'APIVersions',
        versions: ['v1'],
        serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
      };
    case '/api/v1':
      return resourceList(
        'v1',
        types.filter(({ group }) => group === ''),
      );
    case '/apis':
      return {
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: groupVersions(types).map(([group, versions]) => groupOf(group, versions)),
      };
    case '/openapi/v2':
      return openApi(types);
    case '/openapi/v3':
      return {
        paths: Object.fromEntries(openApiPaths(types).map((gv) => [gv, { serverRelativeURL: `/openapi/v3/${gv}` }])),
      };
  }
  const openApiPath = /^\/openapi\/v3\/(.+)$/.exec(path)?.[1];
  if (openApiPath !== undefined) return openApiV3(openApiPath, types);
  const [, group, version] = /^\/apis\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  const versions = groupVersions(types).find(([name]) => name === group)?.[1];
  if (group === undefined || versions === undefined) return undefined;
  if (version === undefined) return groupOf(group, versions);
  if (!versions.includes(version)) return undefined;
  return resourceList(
    `${group}/${version}`,
    types.filter((type) => type.group === group && type.version === version),
    reviewTypes.filter((type) => type.group === group),
  );
}

function groupVersions(types: readonly ResourceType[]): [string, string[]][] {
  const groups = new Map<string, Set<string>>();
  const add = (group: string, version: string) => groups.set(group, (groups.get(group) ?? new Set()).add(version));
  for (const { group, version } of types) if (group !== '') add(group, version);
  for (const { group } of reviewTypes) add(group, 'v1');
  return [...groups].map(([group, versions]) => [group, [...versions]]);
}

function groupOf(name: string, versions: readonly string[]): object {
  const listed = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { kind: 'APIGroup', apiVersion: 'v1', name, versions: listed, preferredVersion: listed[0] };
}

function resourceList(
  groupVersion: string,
  types: readonly ResourceType[],
  reviews: readonly { plural: string; kind: string }[] = [],
): object {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: [
      ...types.flatMap(({ plural, singular, kind, namespaced, shortNames, hasStatus }) => [
        { name: plural, singularName: singular, namespaced, kind, verbs, shortNames },
        ...(hasStatus
          ? [{ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: ['get', 'patch', 'update'] }]
          : []),
        ...(plural === serviceAccountType.plural && groupVersion === 'v1' ? [tokenSubresource] : []),
      ]),
      ...reviews.map(({ plural, kind }) => ({
        name: plural,
        singularName: kind.toLowerCase(),
        namespaced: false,
        kind,
        verbs: ['create'],
      })),
    ],
  };
}

function definitions(types: readonly ResourceType[]): [string, object][] {
  return types.map((type) => [
    `io.kubernaut.standalone.${type.group === '' ? 'core' : type.group}.${type.version}.${type.kind}`,
    {
      type: 'object',
      ...(type.schema ?? { 'x-kubernetes-preserve-unknown-fields': true }),
      'x-kubernetes-group-version-kind': [{ group: type.group, version: type.version, kind: type.kind }],
    },
  ]);
}

function openApi(types: readonly ResourceType[]): object {
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: {},
    definitions: Object.fromEntries(definitions(types)),
  };
}

function openApiPaths(types: readonly ResourceType[]): string[] {
  return [...new Set(types.map((type) => (type.group === '' ? `api/${type.version}` : `apis/${apiVersionOf(type)}`)))];
}

/** kubectl looks here whether the server validates fields itself, and for what `explain` shows. */
function openApiV3(path: string, types: readonly ResourceType[]): object | undefined {
  const served = types.filter(
    (type) => (type.group === '' ? `api/${type.version}` : `apis/${apiVersionOf(type)}`) === path,
  );
  if (served.length === 0) return undefined;
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string', uniqueItems: true },
  }));
  const operation = ({ group, version, kind }: ResourceType) => ({
    parameters,
    responses: { 200: { description: 'OK' } },
    'x-kubernetes-group-version-kind': { group, version, kind },
  });
  const paths = served.map((type) => [
    `/${path}${type.namespaced ? '/namespaces/{namespace}' : ''}/${type.plural}/{name}`,
    { get: operation(type), put: operation(type), patch: operation(type) },
  ]);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: Object.fromEntries(paths) as object,
    components: { schemas: Object.fromEntries(definitions(served)) },
  };
}
