import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem';
import { hangUpOnLongBodies } from './unread-bodies';

/** Alertmanager's bodies are 4 levels deep, an Event of Kubernetes about 10. */
const maxDepth = 32;

/**
 * Bodies are JSON, whatever their keys are called: `__proto__` is a key like any other, since nothing downstream assigns
 * keys to an object. A body without a content type is taken for JSON; any other type is refused.
 * @param verify sees each body as it was received; it refuses the request by what it throws, or by the rejection that it answers
 */
export function acceptJsonBodies(
  fastify: FastifyInstance,
  verify: (request: FastifyRequest, body: Buffer) => Promise<never> | undefined = () => undefined,
): void {
  const parse = (request: FastifyRequest, body: Buffer, done: (error: Error | null, body?: unknown) => void) => {
    try {
      const refusal = verify(request, body);
      if (refusal === undefined) done(null, parseJson(body));
      else refusal.catch(done);
    } catch (error) {
      done(error as Error);
    }
  };
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    parse(request, body as Buffer, done);
  });
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.headers['content-type'] === undefined) parse(request, body as Buffer, done);
    else done(unsupported(request));
  });
  fastify.addHook('preParsing', (request, reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') done(null, payload);
    else {
      hangUpOnLongBodies(request, reply);
      done(
        new ProblemError(
          'unsupported-media-type',
          `Content-Encoding '${encoding.slice(0, 32)}' is not accepted, send the body as it is`,
        ),
      );
    }
  });
}

function unsupported({ headers }: FastifyRequest): ProblemError {
  return new ProblemError(
    'unsupported-media-type',
    `Content-Type must be application/json, not '${headers['content-type']?.slice(0, 64) ?? ''}'`,
  );
}

/** @throws ProblemError when it is not JSON, or deeper than 32 levels */
export function parseJson(body: Buffer): unknown {
  const decoded = body.toString('utf8');
  const text = decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded;
  const value = parsed(withoutHalves(text));
  if (isDeeper(value, maxDepth))
    throw new ProblemError('malformed-body', `The body is nested deeper than ${maxDepth} levels`);
  return value;
}

/** An escape of half a character, and of the other half where that follows, unless its backslash is escaped itself. */
const halves = /\\u(?:[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|[dD][89a-fA-F][\da-fA-F]{2})/g;
const anyHalf = /\\u[dD][89a-fA-F]/;
const lengthOfEscape = 6;

/**
 * JSON can escape half of a character beyond U+FFFF, which no UTF-8 can say: Redis's reader of JSON and OPA's refuse it, and an API server
 * stores another character. It is replaced here, once, as a decoder of UTF-8 replaces what it cannot read; positions stay.
 */
function withoutHalves(text: string): string {
  if (!anyHalf.test(text)) return text;
  return text.replace(halves, (found: string, at: number) => {
    const isWhole = found.length > lengthOfEscape;
    if (!isEscaped(text, at)) return isWhole ? found : '\\ufffd';
    return isWhole ? `${found.slice(0, lengthOfEscape)}\\ufffd` : found;
  });
}

/** Whether an odd number of backslashes stands before this place. */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === '\\') before--;
  return (at - before) % 2 === 1;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (text.trim() === '') throw new ProblemError('malformed-body', 'The body is empty, send a JSON object');
    // V8 quotes the body in its message: only the position is passed on, for the sender logs our answer.
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    throw new ProblemError(
      'malformed-body',
      `The body is not valid JSON${position === undefined ? '' : ` (position ${position})`}`,
    );
  }
}

/**
 * Whether a value of JSON has more levels: what has not cannot exhaust the stack of whoever walks it, which parsing cannot either.
 * To count the brackets of the text beforehand costs as much as to parse it.
 */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  // No function is made here, and no list of values: either would cost more than the walk. Parsed JSON inherits no keys.
  if (Array.isArray(value)) {
    for (const entry of value) if (isDeeper(entry, levels - 1)) return true;
  } else {
    for (const key in value) if (isDeeper(value[key as keyof typeof value], levels - 1)) return true;
  }
  return false;
}
