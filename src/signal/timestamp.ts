import { Recent } from './recent';

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
/** What RFC 3339 allows and `Date.parse` may not know. */
const unusual = /[tz ]/;

/** Go's zero time is year 1 and means "not set"; nothing that a cluster reports began before 1970. */
const earliest = 0;
const latest = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const maxRemembered = 1_000;
const parsed = new Recent<string, number | undefined>(maxRemembered);
const formatted = new Recent<number, string>(maxRemembered);

/** Milliseconds since the epoch of an RFC 3339 text (any offset, up to nanoseconds); `undefined` if it is not one, or is Go's zero time. */
export function parseTimestamp(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > 64) return undefined;
  return parsed.of(text, parse);
}

function parse(text: string): number | undefined {
  if (!rfc3339.test(text) || !isDay(text)) return undefined;
  const milliseconds = Date.parse(unusual.test(text) ? text.toUpperCase().replace(' ', 'T') : text);
  return milliseconds > earliest && milliseconds <= latest ? milliseconds : undefined;
}

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number);
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** The one form in which times leave the gateway: RFC 3339 in UTC, without a fraction that is zero. */
export function formatTimestamp(milliseconds: number): string {
  return formatted.of(milliseconds, format);
}

function format(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
