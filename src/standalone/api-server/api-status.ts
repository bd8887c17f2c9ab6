export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly StatusCause[];
}

/** A refusal in the API's own form: what clients decide by is `reason` and `details`. */
export class ApiStatus extends Error {
  override readonly name = 'ApiStatus';

  constructor(
    readonly code: number,
    readonly reason: string | undefined,
    message: string,
    readonly details?: StatusDetails,
  ) {
    super(message);
  }

  toJSON(): object {
    const { code, reason, message, details } = this;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === undefined ? {} : { reason }),
      ...(details ? { details } : {}),
      code,
    };
  }
}

/** What a call that was done answers when it has no object to show. */
export const success = ({ group, plural }: Subject, name: string, uid: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: { name, ...(group === '' ? {} : { group }), kind: plural, uid },
});

/** What a refusal is about. */
export interface Subject {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

/** What the real server answers in plain text, before it comes to anything that knows a Status. */
export class PlainRefusal extends Error {
  override readonly name = 'PlainRefusal';

  constructor(
    readonly code: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export const pageNotFound = () => new PlainRefusal(404, '404 page not found');

export const tooManyRequests = () =>
  new PlainRefusal(429, 'Too many requests, please try again later.', { 'retry-after': '1' });

const qualified = ({ group, plural }: Subject) => (group === '' ? plural : `${plural}.${group}`);
const detailsOf = ({ group, plural }: Subject, name: string): StatusDetails => ({
  name,
  ...(group === '' ? {} : { group }),
  kind: plural,
});

/** Refuses what the query asks of a call, e.g. a dry run that is none. */
export const unsupportedOption = (options: string, field: string, value: string, supported: readonly string[]) =>
  invalid({ group: 'meta.k8s.io', plural: '', kind: options }, '', [
    {
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${value}: supported values: ${supported.map((one) => JSON.stringify(one)).join(', ')}`,
      field,
    },
  ]);

/** A patch that does not fit the object. */
export const patchFailed = () =>
  new ApiStatus(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

export const badRequest = (message: string) => new ApiStatus(400, 'BadRequest', message);

export const noSuchPath = () => new ApiStatus(404, 'NotFound', 'the server could not find the requested resource', {});

export const notFound = (subject: Subject, name: string) =>
  new ApiStatus(404, 'NotFound', `${qualified(subject)} "${name}" not found`, detailsOf(subject, name));

export const alreadyExists = (subject: Subject, name: string) =>
  new ApiStatus(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));

export const conflict = (subject: Subject, name: string) =>
  new ApiStatus(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(subject)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    detailsOf(subject, name),
  );

export const methodNotAllowed = () =>
  new ApiStatus(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const unsupportedMediaType = (accepted: readonly string[]) =>
  new ApiStatus(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );

export const expired = (from: number, oldest: number) =>
  new ApiStatus(410, 'Expired', `too old resource version: ${from} (${oldest})`);

export const terminatingNamespace = (subject: Subject, name: string, namespace: string) =>
  new ApiStatus(
    403,
    'Forbidden',
    `${qualified(subject)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      ...detailsOf(subject, name),
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  );

export function invalid(subject: Subject, name: string, causes: readonly StatusCause[]): ApiStatus {
  const listed = causes.map(({ field, message }) => `${field ?? ''}: ${message}`);
  const text = listed.length === 1 ? listed[0] : `[${listed.join(', ')}]`;
  const { group, kind } = subject;
  return new ApiStatus(
    422,
    'Invalid',
    `${kind}${group === '' ? '' : `.${group}`} "${name}" is invalid: ${text ?? ''}`,
    {
      ...(name === '' ? {} : { name }),
      ...(group === '' ? {} : { group }),
      ...(kind === '' ? {} : { kind }),
      causes,
    },
  );
}
