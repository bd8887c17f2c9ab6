import { type StatusCause } from './api-status';

/** The part of OpenAPI v3 that a CRD's structural schema consists of. */
export interface StructuralSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: boolean | StructuralSchema;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message?: string }[];
}

/** The one rule that is understood: a CRD with another is refused, so that nothing stays silently unchecked. */
export const immutableRule = 'self == oldSelf';

/** Keys that every schema of an object has besides its own. */
const rootKeys: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** What has to be right before the real server looks at rules at all. */
const blockingReasons: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** Removes what the schema does not know, fills in defaults, and answers the paths of what was removed. Changes `value`. */
export function prune(value: unknown, schema: StructuralSchema, path = ''): string[] {
  if (Array.isArray(value)) {
    return schema.items === undefined
      ? []
      : value.flatMap((item, i) => prune(item, schema.items ?? {}, `${path}[${i}]`));
  }
  if (!isRecord(value)) return [];
  const { properties = {}, additionalProperties } = schema;
  const unknown: string[] = [];
  for (const key of Object.keys(value)) {
    const where = path === '' ? key : `${path}.${key}`;
    if (path === '' && rootKeys.has(key)) continue;
    const inner = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (inner === true || (inner === undefined && schema['x-kubernetes-preserve-unknown-fields'] === true)) continue;
    if (inner === undefined || inner === false) {
      unknown.push(where);
      Reflect.deleteProperty(value, key);
    } else unknown.push(...prune(value[key], inner, where));
  }
  for (const [key, inner] of Object.entries(properties)) {
    if (inner.default !== undefined && !Object.hasOwn(value, key)) value[key] = structuredClone(inner.default);
  }
  return unknown;
}

/** Everything that is wrong with a value. */
export function violations(value: unknown, schema: StructuralSchema, path = ''): StatusCause[] {
  if (value === null && schema.nullable === true) return [];
  if (path !== '' && !hasType(value, schema)) {
    return [
      cause(
        'FieldValueTypeInvalid',
        path,
        `Invalid value: ${shown(typeOf(value))}: ${path} in body must be of type ${schema.type ?? ''}: ${shown(typeOf(value))}`,
      ),
    ];
  }
  const found: StatusCause[] = [];
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    found.push(
      cause(
        'FieldValueNotSupported',
        path,
        `Unsupported value: ${shown(value)}: supported values: ${schema.enum.map(shown).join(', ')}`,
      ),
    );
  }
  if (typeof value === 'string') found.push(...textViolations(value, schema, path));
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum)
      found.push(
        cause(
          'FieldValueInvalid',
          path,
          `Invalid value: ${value}: ${path} in body should be greater than or equal to ${schema.minimum}`,
        ),
      );
    if (schema.maximum !== undefined && value > schema.maximum)
      found.push(
        cause(
          'FieldValueInvalid',
          path,
          `Invalid value: ${value}: ${path} in body should be less than or equal to ${schema.maximum}`,
        ),
      );
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems)
      found.push(
        cause('FieldValueTooMany', path, `Too many: ${value.length}: must have at most ${schema.maxItems} items`),
      );
    if (schema.minItems !== undefined && value.length < schema.minItems)
      found.push(
        cause(
          'FieldValueInvalid',
          path,
          `Invalid value: ${value.length}: ${path} in body should have at least ${schema.minItems} items`,
        ),
      );
    value.forEach((item, i) => found.push(...violations(item, schema.items ?? {}, `${path}[${i}]`)));
  } else if (isRecord(value)) found.push(...memberViolations(value, schema, path));
  return found;
}

function memberViolations(value: Record<string, unknown>, schema: StructuralSchema, path: string): StatusCause[] {
  const at = (key: string) => (path === '' ? key : `${path}.${key}`);
  const missing = (schema.required ?? []).filter((key) => !Object.hasOwn(value, key));
  const found = missing.map((key) => cause('FieldValueRequired', at(key), 'Required value'));
  const { properties = {}, additionalProperties } = schema;
  if (schema.maxProperties !== undefined && Object.keys(value).length > schema.maxProperties) {
    found.push(
      cause(
        'FieldValueTooMany',
        path,
        `Too many: ${Object.keys(value).length}: must have at most ${schema.maxProperties} items`,
      ),
    );
  }
  for (const key of Object.keys(value)) {
    if (path === '' && rootKeys.has(key)) continue;
    const inner = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (typeof inner === 'object') found.push(...violations(value[key], inner, at(key)));
  }
  return found;
}

function textViolations(value: string, schema: StructuralSchema, path: string): StatusCause[] {
  const found: StatusCause[] = [];
  // Lengths count code points, as the API server does.
  const length = schema.maxLength !== undefined || schema.minLength !== undefined ? Array.from(value).length : 0;
  if (schema.maxLength !== undefined && length > schema.maxLength)
    found.push(cause('FieldValueTooLong', path, `Too long: may not be more than ${schema.maxLength} bytes`));
  if (schema.minLength !== undefined && length < schema.minLength)
    found.push(
      cause(
        'FieldValueInvalid',
        path,
        `Invalid value: ${shown(value)}: ${path} in body should be at least ${schema.minLength} chars long`,
      ),
    );
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
    found.push(
      cause(
        'FieldValueInvalid',
        path,
        `Invalid value: ${shown(value)}: ${path} in body should match '${schema.pattern}'`,
      ),
    );
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value)))
    found.push(
      cause(
        'FieldValueTypeInvalid',
        path,
        `Invalid value: ${shown(value)}: ${path} in body must be of type date-time: ${shown(value)}`,
      ),
    );
  return found;
}

/** What a transition rule forbids. */
export function transitionViolations(
  value: unknown,
  before: unknown,
  schema: StructuralSchema,
  path = '',
): StatusCause[] {
  if (value === undefined || before === undefined) return [];
  const broken = (schema['x-kubernetes-validations'] ?? []).filter(
    ({ rule }) => rule === immutableRule && !equal(value, before),
  );
  const found = broken.map(({ rule, message }) =>
    cause('FieldValueInvalid', path, `Invalid value: ${message ?? `failed rule: ${rule}`}`),
  );
  if (!isRecord(value) || !isRecord(before)) return found;
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    found.push(...transitionViolations(value[key], before[key], inner, path === '' ? key : `${path}.${key}`));
  }
  return found;
}

/** The remark of the real server that it has not looked at the rules, if there are any. */
export function uncheckedRules(schema: StructuralSchema, causes: readonly StatusCause[]): StatusCause[] {
  if (!causes.some(({ reason }) => blockingReasons.has(reason)) || rulesOf(schema).length === 0) return [];
  const message =
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return [cause('FieldValueInvalid', '<nil>', message)];
}

/** The rules of a schema that are not understood. */
export function unknownRules(schema: StructuralSchema): string[] {
  return rulesOf(schema).filter((rule) => rule !== immutableRule);
}

function rulesOf(schema: StructuralSchema): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ rule }) => rule);
  const inner = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.items ? [schema.items] : []),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ];
  return [...own, ...inner.flatMap(rulesOf)];
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasType(value: unknown, schema: StructuralSchema): boolean {
  if (schema['x-kubernetes-int-or-string'] === true) return Number.isInteger(value) || typeof value === 'string';
  switch (schema.type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case undefined:
      return true;
    default:
      return typeof value === schema.type;
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (Number.isInteger(value)) return 'integer';
  return typeof value;
}

function cause(reason: string, field: string, message: string): StatusCause {
  return { reason, field, message };
}

function shown(value: unknown): string {
  return JSON.stringify(value);
}
