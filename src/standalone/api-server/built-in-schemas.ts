import type { StructuralSchema } from './structural-schema';

/** What is built in and matters here, so that a manifest with a mistake is refused as the real server refuses it. */

const text: StructuralSchema = { type: 'string' };
const texts: StructuralSchema = { type: 'array', items: text };
const textMap: StructuralSchema = { type: 'object', additionalProperties: text };
const anything: StructuralSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

const apiGroup: StructuralSchema = { type: 'string', default: 'rbac.authorization.k8s.io' };

const rule: StructuralSchema = {
  type: 'object',
  required: ['verbs'],
  properties: {
    verbs: { ...texts, minItems: 1 },
    apiGroups: texts,
    resources: texts,
    resourceNames: texts,
    nonResourceURLs: texts,
  },
};

export const namespaceSchema: StructuralSchema = {
  type: 'object',
  properties: { spec: { type: 'object', properties: { finalizers: texts } }, status: anything },
};

export const configMapSchema: StructuralSchema = {
  type: 'object',
  properties: { data: textMap, binaryData: textMap, immutable: { type: 'boolean' } },
};

export const serviceAccountSchema: StructuralSchema = {
  type: 'object',
  properties: {
    secrets: { type: 'array', items: anything },
    imagePullSecrets: { type: 'array', items: anything },
    automountServiceAccountToken: { type: 'boolean' },
  },
};

export const roleSchema: StructuralSchema = {
  type: 'object',
  properties: { rules: { type: 'array', nullable: true, items: rule }, aggregationRule: anything },
};

export const roleBindingSchema: StructuralSchema = {
  type: 'object',
  required: ['roleRef'],
  properties: {
    roleRef: {
      type: 'object',
      required: ['kind', 'name'],
      properties: { apiGroup, kind: { type: 'string', enum: ['Role', 'ClusterRole'] }, name: text },
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'cannot change roleRef' }],
    },
    subjects: {
      type: 'array',
      items: {
        type: 'object',
        required: ['kind', 'name'],
        properties: {
          apiGroup: text,
          kind: { type: 'string', enum: ['User', 'Group', 'ServiceAccount'] },
          name: text,
          namespace: text,
        },
      },
    },
  },
};
