import { badRequest, patchFailed, unsupportedMediaType } from './api-status';
import { equal, isRecord } from './structural-schema';

export const mergePatch = 'application/merge-patch+json';
export const jsonPatch = 'application/json-patch+json';
export const strategicPatch = 'application/strategic-merge-patch+json';

/**
 * Applies a patch to a copy.
 * @param custom whether it is a custom resource: those have no strategic merge
 * @throws ApiStatus
 */
export function patched(document: unknown, patch: unknown, contentType: string, custom: boolean): unknown {
  switch (contentType) {
    case mergePatch:
      return merged(document, patch);
    case jsonPatch:
      return operated(document, patch);
    case strategicPatch:
      // What differs from a merge patch is lists with keys; clients here patch none of those that are built in.
      if (!custom) return merged(document, patch);
      throw unsupportedMediaType([jsonPatch, mergePatch]);
    default:
      throw unsupportedMediaType(custom ? [jsonPatch, mergePatch] : [jsonPatch, mergePatch, strategicPatch]);
  }
}

/** RFC 7396. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = merged(result[key], value);
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** RFC 6902, as the real server has it: there, replacing an absent member adds it. */
function operated(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  let result = structuredClone(document);
  for (const operation of patch as Operation[]) result = operate(result, operation);
  return result;
}

function operate(document: unknown, { op, path, from, value }: Operation): unknown {
  switch (op) {
    case 'test':
      if (!equal(at(document, path), value)) throw patchFailed();
      return document;
    case 'add':
    case 'replace':
      return put(document, path, value, op === 'add');
    case 'remove':
      return removed(document, path);
    case 'copy':
      return put(document, path, structuredClone(at(document, from ?? '')), true);
    case 'move': {
      const moved = at(document, from ?? '');
      return put(removed(document, from ?? ''), path, moved, true);
    }
    default:
      throw badRequest(`unknown operation ${JSON.stringify(op)} in JSON patch`);
  }
}

function segments(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function at(document: unknown, path: string): unknown {
  return follow(document, segments(path));
}

function parentOf(document: unknown, path: string): { parent: unknown; key: string } {
  const keys = segments(path);
  const key = keys.pop() ?? '';
  return { parent: follow(document, keys), key };
}

function follow(document: unknown, keys: readonly string[]): unknown {
  return keys.reduce((inner, key) => {
    if (Array.isArray(inner)) return inner[Number(key)] as unknown;
    // What every object inherits is none of its members, and is all the others' as well.
    return isRecord(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined;
  }, document);
}

function put(document: unknown, path: string, value: unknown, insert: boolean): unknown {
  if (path === '') return value;
  const { parent, key } = parentOf(document, path);
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    if (!(index < parent.length + (insert ? 1 : 0))) throw patchFailed();
    parent.splice(index, insert ? 0 : 1, value);
  } else if (isRecord(parent)) parent[key] = value;
  else throw patchFailed();
  return document;
}

function removed(document: unknown, path: string): unknown {
  const { parent, key } = parentOf(document, path);
  if (at(document, path) === undefined) throw patchFailed();
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (isRecord(parent)) Reflect.deleteProperty(parent, key);
  return document;
}
