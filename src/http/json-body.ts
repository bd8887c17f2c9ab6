import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem';

/** Alertmanager's bodies are 4 levels deep, an Event of Kubernetes about 10. */
const maxDepth = 32;

const quote = 0x22;
const backslash = 0x5c;
/** `[` and `{`, and `]` and `}`, differ in this bit. */
const bracketBit = 0x20;
const opener = 0x7b;
const closer = 0x7d;

/**
 * Bodies are JSON, whatever their keys are called: `__proto__` is a key like any other, since nothing downstream assigns
 * keys to an object. A body without a content type is taken for JSON; any other type is refused.
 * @param verify sees each body as it was received; what it throws refuses the request
 */
export function acceptJsonBodies(
  fastify: FastifyInstance,
  verify: (request: FastifyRequest, body: Buffer) => void = () => undefined,
): void {
  const parse = (request: FastifyRequest, body: Buffer, done: (error: Error | null, body?: unknown) => void) => {
    try {
      verify(request, body);
      done(null, parseJson(body));
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
  fastify.addHook('preParsing', (request, _reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') done(null, payload);
    else
      done(
        new ProblemError(
          'unsupported-media-type',
          `Content-Encoding '${encoding.slice(0, 32)}' is not accepted, send the body as it is`,
        ),
      );
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
  if (isTooDeep(body)) throw new ProblemError('malformed-body', `The body is nested deeper than ${maxDepth} levels`);
  const decoded = body.toString('utf8');
  const text = decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded;
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

/** Looks at brackets outside of strings only: what it lets through cannot exhaust the stack of whoever walks it. */
function isTooDeep(body: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === undefined) break;
    if (inString) {
      if (byte === backslash) i++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if ((byte | bracketBit) === opener) {
      if (++depth > maxDepth) return true;
    } else if ((byte | bracketBit) === closer) depth--;
  }
  return false;
}
