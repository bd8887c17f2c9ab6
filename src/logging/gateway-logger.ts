import { Writable } from 'node:stream';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { LineBuffer } from './line-buffer';
import { membersOf, textOf } from './log-line';

export interface LoggingOptions {
  readonly level: string;
  readonly format: string;
  /** `stdout`, `stderr`, or the path of a file. */
  readonly output: string;
  /** Adds the file and line of each call, for the price of a stack trace a line. */
  readonly addCaller: boolean;
}

/** Fields that stand in every line of a request, and their text once it is made. */
export interface LineContext {
  readonly fields: object;
  members?: string;
}

/** What is open already; a path may not be opened again where it is a socket. */
const descriptors: Readonly<Record<string, number>> = { stdout: 1, '/dev/stdout': 1, stderr: 2, '/dev/stderr': 2 };

/** A logger as pino is made inside. */
type Inside = Logger & { readonly [pino.symbols.chindingsSym]: string };

/**
 * The one logger of a process: JSON lines, or text for people.
 *
 * Lines are made here and not by pino, which escapes the names of fields again in each of them and copies them twice.
 * @param contextOf the request that is being served, if one is
 */
export function createLogger(options: LoggingOptions, contextOf: () => LineContext | undefined): Logger {
  const { level, format, output, addCaller } = options;
  const forPeople = format === 'text';
  const dest = descriptors[output] ?? output;
  const lines = linesTo(dest);
  const destination = forPeople
    ? pretty({ destination: streamInto(lines), ignore: 'pid,hostname', singleLine: true })
    : lines;
  const logger = pino({ level, base: null, timestamp: isoTime() }, destination);
  const { labels } = logger.levels;
  const lineOf = function (this: Inside, fields: object, message: string | undefined, number: number, time: string) {
    const context = contextOf();
    let members = this[pino.symbols.chindingsSym];
    if (context !== undefined) members += context.members ??= membersOf(context.fields, forPeople);
    if (addCaller) members += membersOf({ caller_location: callerLocation() }, forPeople);
    members += membersOf(fields, forPeople);
    if (message !== undefined) members += `,"msg":${textOf(message, forPeople)}`;
    return `{"level":"${labels[number] ?? number}"${time}${members}}\n`;
  };
  return Object.assign(logger, { [pino.symbols.asJsonSym]: lineOf });
}

/** @throws Error that names the setting, when it cannot be written to */
function linesTo(dest: number | string): LineBuffer {
  try {
    return new LineBuffer(dest);
  } catch (error) {
    throw new Error(`logging.output: ${dest} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

function streamInto(lines: LineBuffer): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string | Buffer, _encoding, done) {
      lines.write(text.toString());
      done();
    },
  });
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

/** Who called pino: the frame above its `LOG`. In the bundle that is a function and its line there. */
function callerLocation(): string {
  const frames = (new Error().stack ?? '').split('\n');
  const frame = frames[frames.findIndex((line) => /\bLOG\b/.test(line)) + 1];
  return frame?.replace(/^\s*at /, '') ?? 'unknown';
}
