const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
/** What RFC 3339 allows and `Date.parse` may not know. */
const unusual = /[tz ]/;

/** Go's zero time is year 1 and means "not set"; nothing that a cluster reports began before 1970. */
const earliest = 0;
const latest = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Senders and we say the same few times again and again. */
const maxRemembered = 1_000;
const parsed = new Map<string, number | undefined>();
const formatted = new Map<number, string>();

function remember<K, V>(memory: Map<K, V>, key: K, value: V): V {
  if (memory.size >= maxRemembered) memory.clear();
  memory.set(key, value);
  return value;
}

/** Milliseconds since the epoch of an RFC 3339 text (any offset, up to nanoseconds); `undefined` if it is not one, or is Go's zero time. */
export function parseTimestamp(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > 64) return undefined;
  return parsed.has(text) ? parsed.get(text) : remember(parsed, text, parse(text));
}

function parse(text: string): number | undefined {
  if (!rfc3339.test(text)) return undefined;
  const milliseconds = Date.parse(unusual.test(text) ? text.toUpperCase().replace(' ', 'T') : text);
  return milliseconds > earliest && milliseconds <= latest ? milliseconds : undefined;
}

/** The one form in which times leave the gateway: RFC 3339 in UTC, without a fraction that is zero. */
export function formatTimestamp(milliseconds: number): string {
  return (
    formatted.get(milliseconds) ??
    remember(formatted, milliseconds, new Date(milliseconds).toISOString().replace('.000Z', 'Z'))
  );
}
