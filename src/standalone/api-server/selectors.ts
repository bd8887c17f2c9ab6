import { badRequest } from './api-status';
import type { KubernetesObject } from './kubernetes-object';

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

/** @throws ApiStatus 400 for a field that cannot be selected by */
export function fieldSelector(text: string): Selector {
  const tests = text.split(',').map((term) => {
    const parts = /^(metadata\.name|metadata\.namespace)(==|=|!=)(.*)$/.exec(term.trim());
    if (parts === null) throw badRequest(`field label not supported: ${term.trim()}`);
    const [, field, operator, value] = parts;
    return ({ metadata }: KubernetesObject) =>
      ((field === 'metadata.name' ? metadata.name : metadata.namespace) === value) === (operator !== '!=');
  });
  return (object) => tests.every((test) => test(object));
}
