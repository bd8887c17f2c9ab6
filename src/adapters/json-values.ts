/** Whether a value of parsed JSON is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Text values as they are, numbers and booleans as text; `null` is an empty map.
 * @param problems takes what is wrong, in the words of a refusal
 */
export function textMapOf(field: string, value: unknown, problems: string[] = []): Map<string, string> {
  const map = new Map<string, string>();
  if (value === undefined || value === null) return map;
  if (!isObject(value)) {
    problems.push(`${field} must be an object`);
    return map;
  }
  // Parsed JSON inherits no keys; a list of its own would be made for each alert.
  for (const key in value) {
    const entry = value[key];
    if (typeof entry === 'string') map.set(key, entry);
    else if (typeof entry === 'number' || typeof entry === 'boolean') map.set(key, String(entry));
    else if (entry !== null) problems.push(`${field} must hold text only, '${key.slice(0, 64)}' does not`);
  }
  return map;
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
