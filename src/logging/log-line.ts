import { stdSerializers } from 'pino';

const maxValueLength = 1024;
const controlCharacters = /\p{Cc}/gu;
/** Of our own making, with line breaks that people want to see. */
const ownText: ReadonlySet<string> = new Set(['error']);
const redacted = '"***"';
const secrets: ReadonlySet<string> = new Set(['authorization', 'token', 'password']);

/**
 * The members of a line of the log, as JSON with a comma before each. Values are cut, and secrets are redacted should one
 * ever get this far; absent ones are left out. Callers' text cannot forge a line: JSON escapes control characters, and `withEscapes` those that it does not.
 * @param forPeople control characters are escaped in the text itself, for it is shown without JSON
 */
export function membersOf(fields: object, forPeople: boolean): string {
  if (!forPeople && isShort(fields)) {
    const text = JSON.stringify(fields);
    return text.length > 2 ? `,${text.slice(1, -1)}` : '';
  }
  let members = '';
  for (const name in fields) {
    const value = (fields as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    members += beginnings.get(name) ?? beginningOf(name);
    members += isSecret(name, value) ? redacted : valueOf(value, ownText.has(name), forPeople);
  }
  return members;
}

/** Whether all members are numbers, or texts that need neither to be cut nor redacted, as most lines have them: JSON writes them together. */
function isShort(fields: object): boolean {
  for (const name in fields) {
    const value = (fields as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    const isAsItIs = typeof value === 'string' ? value.length <= maxValueLength : typeof value === 'number';
    if (!isAsItIs || secrets.has(name)) return false;
  }
  return true;
}

/** Of members, by their names, which are those that the code writes: each piece that a line is put together of costs memory. */
const beginnings = new Map<string, string>();

function beginningOf(name: string): string {
  const beginning = `,"${name}":`;
  beginnings.set(name, beginning);
  return beginning;
}

/** One that is empty is none: who looks at the configuration must see that it is not set. */
function isSecret(name: string, value: unknown): boolean {
  return value !== '' && secrets.has(name);
}

/** A text as JSON, cut. */
export function textOf(text: string, forPeople: boolean): string {
  const short = text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…` : text;
  return JSON.stringify(forPeople ? short.replace(controlCharacters, escaped) : short);
}

function valueOf(value: unknown, isOwn: boolean, forPeople: boolean): string {
  if (typeof value === 'string') return isOwn ? JSON.stringify(value) : textOf(value, forPeople);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (Array.isArray(value)) return `[${value.map((entry) => valueOf(entry, false, forPeople)).join()}]`;
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? String(value) : 'null';
  try {
    const plain = value instanceof Error ? stdSerializers.err(value) : value;
    return JSON.stringify(plain, (name, inner: unknown) => (isSecret(name, inner) ? '***' : inner));
  } catch {
    // Such as an object that contains itself: who logs must not fail for that.
    return '"[cannot be shown]"';
  }
}

/** JSON leaves these as they are, and terminals obey them. */
const beyondJson = /[\u007f-\u009f]/g;

/** Lines of JSON, with all control characters in texts escaped. */
export function withEscapes(lines: string): string {
  return lines.replace(beyondJson, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
