import type { Labels } from '../signal/labels';

/** Whether a value of parsed JSON is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Text values as they are, numbers and booleans as text; `null` is none at all. What is text alone, as most is, is not copied.
 * @param problems takes what is wrong, in the words of a refusal
 */
export function textsOf(field: string, value: unknown, problems: string[] = []): Labels {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) {
    problems.push(`${field} must be an object`);
    return {};
  }
  // Parsed JSON inherits no keys; a list of its own would be made for each alert.
  for (const key in value) if (typeof value[key] !== 'string') return readTexts(field, value, problems);
  return value as Labels;
}

function readTexts(field: string, value: Record<string, unknown>, problems: string[]): Labels {
  const texts: [string, string][] = [];
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'string') texts.push([key, entry]);
    else if (typeof entry === 'number' || typeof entry === 'boolean') texts.push([key, String(entry)]);
    else if (entry !== null) problems.push(`${field} must hold text only, '${key.slice(0, 64)}' does not`);
  }
  // A key `__proto__` is one like any other to it.
  return Object.fromEntries(texts);
}

/** Without the members that are not there. */
export function present<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept: { [K in keyof T]?: NonNullable<T[K]> } = {};
  for (const key in members) {
    const value = members[key];
    if (value !== undefined && value !== null) kept[key] = value;
  }
  return kept;
}
