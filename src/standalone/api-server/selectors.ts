import { badRequest } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import { isRecord } from './structural-schema';

export type Selector = (object: KubernetesObject) => boolean;

/**
 * Reads `labelSelector`: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
 * @throws ApiStatus 400
 */
export function labelSelector(text: string): Selector {
  const terms = text.match(/(?:[^,(]|\([^)]*\))+/g) ?? [];
  const tests = terms.map((term) => labelTerm(term.trim()));
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}));
}

function labelTerm(term: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^([^\s!=]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return (labels) =>
      values.has(labels[key] ?? '') === (operator === 'in') && (operator === 'notin' || Object.hasOwn(labels, key));
  }
  const comparison = /^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (comparison !== null) {
    const [, key = '', operator, value] = comparison;
    return (labels) => ((Object.hasOwn(labels, key) ? labels[key] : undefined) === value) === (operator !== '!=');
  }
  const existence = /^(!?)\s*([^\s!=]+)$/.exec(term);
  if (existence === null) throw badRequest(`unable to parse requirement: ${term}`);
  const [, not, key = ''] = existence;
  return (labels) => Object.hasOwn(labels, key) === (not === '');
}

/** By which every object can be selected. */
const commonFields = ['metadata.name', 'metadata.namespace'];

/**
 * @param more fields by which objects of this type can be selected as well, as paths
 * @throws ApiStatus 400 for a field that cannot be selected by
 */
export function fieldSelector(text: string, more: readonly string[] = []): Selector {
  const tests = text.split(',').map((term) => {
    const [, field = '', operator, value] = /^([A-Za-z.]+)(==|=|!=)(.*)$/.exec(term.trim()) ?? [];
    if (![...commonFields, ...more].includes(field)) throw badRequest(`field label not supported: ${term.trim()}`);
    const keys = field.split('.');
    return (object: KubernetesObject) => ((valueAt(object, keys) ?? '') === value) === (operator !== '!=');
  });
  return (object) => tests.every((test) => test(object));
}

function valueAt(object: object, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), object);
}
