import pino, { type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';

export interface LoggingOptions {
  readonly level: string;
  readonly format: string;
  /** `stdout`, `stderr`, or the path of a file. */
  readonly output: string;
  /** Adds the file and line of each call, for the price of a stack trace a line. */
  readonly addCaller: boolean;
}

const maxValueLength = 1024;
const controlCharacters = /\p{Cc}/gu;
/** Of our own making, with line breaks that people want to see. */
const ownText: ReadonlySet<string> = new Set(['error']);
const redacted = '***';
const secrets: ReadonlySet<string> = new Set(['authorization', 'token', 'password']);

/**
 * The one logger of a process: JSON lines, or text for people.
 *
 * Callers' text cannot forge a line: JSON escapes control characters, text has them escaped here. Values are cut, and
 * secrets are redacted should one ever get this far.
 * @param scopeFields of the request that is being served; they stand in every line
 */
export function createLogger(options: LoggingOptions, scopeFields: () => object): Logger {
  const text = options.format === 'text';
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: isoTime(),
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => bounded(fields, text),
      },
      // A copy: pino writes the fields of the line into it.
      mixin: () => ({ ...scopeFields(), ...(options.addCaller ? { caller_location: callerLocation() } : {}) }),
      hooks: {
        logMethod(args, method) {
          method.apply(
            this,
            args.map((arg) => (typeof arg === 'string' ? clean(arg, text) : arg)) as Parameters<typeof method>,
          );
        },
      },
    },
    text
      ? pretty({ destination: destinationOf(options.output), sync: true, ignore: 'pid,hostname', singleLine: true })
      : destinationOf(options.output),
  );
}

/** Lines are written together, after so many bytes or milliseconds, and at the end of the process: to write each costs more than to make it. */
const together = { sync: false, minLength: 32 * 1024, maxWrite: 64 * 1024, periodicFlush: 50 };

function destinationOf(output: string): DestinationStream {
  if (output === 'stdout') return pino.destination({ dest: 1, ...together });
  if (output === 'stderr') return pino.destination({ dest: 2, ...together });
  return pino.destination({ dest: output, mkdir: true, ...together });
}

/** As pino's own, which makes the text of the same millisecond again for each line. */
function isoTime(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

function bounded(fields: Record<string, unknown>, text: boolean): Record<string, unknown> {
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (secrets.has(key)) fields[key] = redacted;
    else if (typeof value === 'string' && !ownText.has(key)) fields[key] = clean(value, text);
    else if (Array.isArray(value))
      fields[key] = value.map((entry: unknown) => (typeof entry === 'string' ? clean(entry, text) : entry));
    else if (typeof value === 'object' && value !== null) fields[key] = withoutSecrets(value);
  }
  return fields;
}

/** Here, where every field is looked at anyway: pino's own redaction copies each line, for half of what the line costs. */
function withoutSecrets(value: object): object {
  if (!Object.keys(value).some((key) => secrets.has(key))) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, secrets.has(key) ? redacted : inner]));
}

function clean(value: string, text: boolean): string {
  const short = value.length > maxValueLength ? `${value.slice(0, maxValueLength)}…` : value;
  return text ? short.replace(controlCharacters, (character) => escaped(character)) : short;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The first line of the stack that is neither pino's nor this file's. */
function callerLocation(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const frame = frames.find((line) => !line.includes('node_modules') && !line.includes(__filename));
  return frame?.replace(/^\s*at /, '') ?? 'unknown';
}
