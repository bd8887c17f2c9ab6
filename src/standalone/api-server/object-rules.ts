import { ApiStatus, badRequest, invalid, type StatusCause } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import { apiVersionOf, type ResourceType } from './resource-types';
import { isRecord } from './structural-schema';

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedName = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const metadataKeys: ReadonlySet<string> = new Set([
  'annotations',
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'labels',
  'managedFields',
  'name',
  'namespace',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
]);
/** etcd's limit for one object. */
const maxObjectBytes = 1.5 * 1024 * 1024;
const maxAnnotationBytes = 256 * 1024;

/**
 * Checks that a body is an object of this type; what is built in need not say so.
 * @throws ApiStatus 400 or 422
 */
export function asObject(body: unknown, type: ResourceType): KubernetesObject {
  if (!isRecord(body)) throw unrecognized(type, "couldn't get version/kind; json parse error");
  const own = apiVersionOf(type);
  if (type.custom && typeof body.kind !== 'string') throw unrecognized(type, "Object 'Kind' is missing");
  const { apiVersion = own, kind = type.kind, metadata } = body;
  if (apiVersion !== own) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${own})`,
    );
  }
  if (metadata !== undefined && !isRecord(metadata)) throw unrecognized(type, 'metadata is not an object');
  if (kind !== type.kind) throw wrongKind(type, String(kind), metadata);
  return { ...body, apiVersion: own, kind: type.kind, metadata: withoutEmpty(metadata ?? {}) };
}

/** No labels are the same as none at all: neither is stored. */
function withoutEmpty(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(metadata).filter(
      ([, value]) => value !== null && !(typeof value === 'object' && Object.keys(value).length === 0),
    ),
  );
}

function unrecognized({ kind }: ResourceType, why: string): ApiStatus {
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why}`);
}

function wrongKind(type: ResourceType, kind: string, metadata: Record<string, unknown> = {}): ApiStatus {
  if (!type.custom) {
    return badRequest(
      `${kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: unknown conversion`,
    );
  }
  const message = `Invalid value: ${JSON.stringify(kind)}: must be ${type.kind}`;
  return invalid({ ...type, kind }, typeof metadata.name === 'string' ? metadata.name : '', [
    { reason: 'FieldValueInvalid', message, field: 'kind' },
  ]);
}

/** Removes what metadata does not have, and answers the paths of that. Changes the object. */
export function pruneMetadata({ metadata }: KubernetesObject): string[] {
  const unknown = Object.keys(metadata).filter((key) => !metadataKeys.has(key));
  for (const key of unknown) Reflect.deleteProperty(metadata, key);
  return unknown.map((key) => `metadata.${key}`);
}

/** Everything that is wrong with an object's metadata. */
export function metadataViolations(type: ResourceType, { metadata }: KubernetesObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const wrong = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, field, message });
  const { name = '', labels = {}, annotations = {} } = metadata;
  if (name === '') wrong('metadata.name', 'Required value: name or generateName is required', 'FieldValueRequired');
  else {
    const fault = nameFault(name, type.names);
    if (fault !== undefined) wrong('metadata.name', `Invalid value: ${JSON.stringify(name)}: ${fault}`);
  }
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabelKey(key))
      wrong(
        'metadata.labels',
        `Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.'`,
      );
    if (typeof value !== 'string' || value.length > 63 || !labelValue.test(value)) {
      wrong(
        'metadata.labels',
        `Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of at most 63 alphanumeric characters, '-', '_' or '.'`,
      );
    }
  }
  const annotationBytes = Object.entries(annotations).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (annotationBytes > maxAnnotationBytes)
    wrong('metadata.annotations', `Too long: may not be more than ${maxAnnotationBytes} bytes`, 'FieldValueTooLong');
  return causes;
}

/** @throws ApiStatus 500, which is how the real server passes on that etcd takes no object of this size */
export function checkSize(object: KubernetesObject): void {
  if (Buffer.byteLength(JSON.stringify(object)) > maxObjectBytes)
    throw new ApiStatus(500, undefined, 'etcdserver: request is too large');
}

function nameFault(name: string, names: ResourceType['names']): string | undefined {
  switch (names) {
    case 'path segment':
      return /^\.{1,2}$|[/%]/.test(name) ? "may not be '.' or '..' and may not contain '/' or '%'" : undefined;
    case 'label':
      return name.length <= 63 && dnsLabel.test(name)
        ? undefined
        : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    default:
      return name.length <= 253 && dnsSubdomain.test(name)
        ? undefined
        : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  }
}

function isLabelKey(key: string): boolean {
  const parts = key.split('/');
  const name = parts.pop() ?? '';
  const [prefix] = parts;
  return (
    parts.length <= 1 &&
    name.length <= 63 &&
    qualifiedName.test(name) &&
    (prefix === undefined || (prefix.length <= 253 && dnsSubdomain.test(prefix)))
  );
}
