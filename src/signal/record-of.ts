/**
 * The entries as an object. As `Object.fromEntries`, at a third of what that costs: a key `__proto__` is an entry like any other.
 */
export function recordOf(entries: ReadonlyMap<string, string>): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [key, value] of entries) {
    if (key === '__proto__')
      Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
    else record[key] = value;
  }
  return record;
}
