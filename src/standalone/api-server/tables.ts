import type { KubernetesObject } from './kubernetes-object';
import type { Column, ResourceType } from './resource-types';
import { isRecord } from './structural-schema';

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** What kubectl shows: the columns of a type, and a row for each object. */
export function tableOf(
  type: ResourceType,
  objects: readonly KubernetesObject[],
  resourceVersion: string,
  now: number,
): object {
  const columns = [...type.columns, ...(type.columns.some(({ name }) => name === 'Age') ? [] : [age])];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion },
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: 'Name', priority: 0 },
      ...columns.map(({ name, type: valueType, description = '', priority = 0 }) => ({
        name,
        type: valueType,
        format: '',
        description,
        priority,
      })),
    ],
    rows: objects.map((object) => ({
      cells: [
        object.metadata.name,
        ...columns.map(({ type: valueType, jsonPath }) => cell(at(object, jsonPath), valueType, now)),
      ],
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
    })),
  };
}

/** The part of JSONPath that printer columns use: members, escaped dots, and the first of a filtered list. */
function at(object: unknown, path: string): unknown {
  const steps = path.match(/\.(?:[^.[\\]|\\.)+|\[\?\(@\.[^\]]+\)\]|\[\d+\]|\['[^']+'\]/g) ?? [];
  return steps.reduce<unknown>((value, step) => {
    const filter = /^\[\?\(@\.(\w+)\s*==\s*["'](.*)["']\)\]$/.exec(step);
    if (filter !== null) {
      const [, key = '', wanted] = filter;
      return Array.isArray(value) ? value.find((item) => isRecord(item) && item[key] === wanted) : undefined;
    }
    const key = step.replace(/^\.|^\['?|'?\]$/g, '').replaceAll('\\.', '.');
    return Array.isArray(value) ? (value[Number(key)] as unknown) : isRecord(value) ? value[key] : undefined;
  }, object);
}

function cell(value: unknown, type: string, now: number): unknown {
  if (value === undefined) return null;
  if (type === 'date' && typeof value === 'string') return ageOf(now - Date.parse(value));
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

/** As kubectl writes ages: 12s, 5m30s, 3h, 2d. */
function ageOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
