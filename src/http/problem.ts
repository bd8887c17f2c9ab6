/** What a caller can be told went wrong. `docs/errors.md` explains each; a spec holds both against each other. */
export const problemCatalogue = {
  'malformed-body': { status: 400, title: 'Bad Request' },
  'validation-error': { status: 400, title: 'Bad Request' },
  unauthenticated: { status: 401, title: 'Unauthorized' },
  forbidden: { status: 403, title: 'Forbidden' },
  'not-found': { status: 404, title: 'Not Found' },
  'method-not-allowed': { status: 405, title: 'Method Not Allowed' },
  'request-timeout': { status: 408, title: 'Request Timeout' },
  'payload-too-large': { status: 413, title: 'Payload Too Large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported Media Type' },
  'rate-limited': { status: 429, title: 'Too Many Requests', retryAfterSeconds: 1 },
  'headers-too-large': { status: 431, title: 'Request Header Fields Too Large' },
  'internal-error': { status: 500, title: 'Internal Server Error' },
  unavailable: { status: 503, title: 'Service Unavailable', retryAfterSeconds: 5 },
  'authentication-unavailable': { status: 503, title: 'Service Unavailable', retryAfterSeconds: 5 },
  overloaded: { status: 503, title: 'Service Unavailable', retryAfterSeconds: 1 },
  'caller-over-limit': { status: 503, title: 'Service Unavailable', retryAfterSeconds: 1 },
} as const satisfies Record<string, { status: number; title: string; retryAfterSeconds?: number }>;

export type ProblemKind = keyof typeof problemCatalogue;

/** RFC 9457, with the original document's fields as extension members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly error: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** @param detail for the caller: what is wrong and what to do, without a secret or the words of a dependency */
export function problem(kind: ProblemKind, detail: string, details?: Readonly<Record<string, unknown>>): Problem {
  const { status, title } = problemCatalogue[kind];
  return {
    type: `https://kubernaut.io/problems/${kind}`,
    title,
    status,
    detail,
    error: detail,
    ...(details ? { details } : {}),
  };
}

export function retryAfterOf(kind: ProblemKind): number | undefined {
  const entry = problemCatalogue[kind];
  return 'retryAfterSeconds' in entry ? entry.retryAfterSeconds : undefined;
}

export interface ProblemErrorOptions extends ErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
  /** Further headers of the answer, e.g. `allow`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly kind: ProblemKind,
    detail: string,
    options: ProblemErrorOptions = {},
  ) {
    super(detail, options);
    const retryAfter = options.retryAfterSeconds ?? retryAfterOf(kind);
    this.details = options.details;
    this.headers = { ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }), ...options.headers };
  }
}
