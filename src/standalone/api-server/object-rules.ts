import { badRequest, invalid, type StatusCause } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import { apiVersionOf, namespaceType, type ResourceType } from './resource-types';
import { isRecord } from './structural-schema';

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedName = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
/** etcd's limit for one object. */
const maxObjectBytes = 1.5 * 1024 * 1024;
const maxAnnotationBytes = 256 * 1024;

/**
 * Checks that a body is an object of this type.
 * @throws ApiStatus 400
 */
export function asObject(body: unknown, type: ResourceType): KubernetesObject {
  if (!isRecord(body)) throw badRequest('the body is not an object of the API');
  const { apiVersion, kind, metadata } = body;
  if (apiVersion !== apiVersionOf(type) || kind !== type.kind) {
    throw badRequest(
      `the object in the body is ${String(kind)} of ${String(apiVersion)}, this path takes ${type.kind} of ${apiVersionOf(type)}`,
    );
  }
  if (metadata !== undefined && !isRecord(metadata)) throw badRequest('metadata is not an object');
  return { ...body, apiVersion, kind, metadata: { ...metadata } };
}

/** Everything that is wrong with an object's metadata. */
export function metadataViolations(type: ResourceType, { metadata }: KubernetesObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const wrong = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, field, message });
  const { name = '', labels = {}, annotations = {} } = metadata;
  const isNamespace = type === namespaceType;
  if (name === '') wrong('metadata.name', 'Required value: name or generateName is required', 'FieldValueRequired');
  else if (name.length > (isNamespace ? 63 : 253) || !(isNamespace ? dnsLabel : dnsSubdomain).test(name)) {
    wrong(
      'metadata.name',
      `Invalid value: ${JSON.stringify(name)}: a lowercase RFC 1123 ${isNamespace ? 'label' : 'subdomain'} must consist of lower case alphanumeric characters`,
    );
  }
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabelKey(key)) wrong('metadata.labels', `Invalid value: ${JSON.stringify(key)}: not a qualified name`);
    if (typeof value !== 'string' || value.length > 63 || !labelValue.test(value)) {
      wrong(
        'metadata.labels',
        `Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or at most 63 alphanumeric characters, '-', '_' or '.'`,
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

/** @throws ApiStatus 422 */
export function checkSize(type: ResourceType, object: KubernetesObject): void {
  const bytes = Buffer.byteLength(JSON.stringify(object));
  if (bytes > maxObjectBytes) {
    throw invalid(type, object.metadata.name ?? '', [
      {
        reason: 'FieldValueTooLong',
        field: '',
        message: `Too long: etcd holds at most ${maxObjectBytes} bytes, this has ${bytes}`,
      },
    ]);
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
