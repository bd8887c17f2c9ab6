import type { V1Status } from '@kubernetes/client-node';

/** What a failed call means for its caller; the one reading of the API server's answers. */
export type KubernetesFailure =
  /** No answer in time, no connection, 5xx, or an answer that is not one of an API server. */
  | 'unavailable'
  /** 429: API Priority and Fairness asks to come back later. */
  | 'overloaded'
  /** 401: our own credentials are not accepted. */
  | 'unauthenticated'
  /** 403 by RBAC: our own permissions do not suffice. */
  | 'forbidden'
  /** 403 by a resource quota. */
  | 'quota-exceeded'
  /** The namespace does not exist or is being deleted. */
  | 'namespace-unusable'
  /** The resource is not served (CRD missing), or does not know a field that we send (CRD too old). */
  | 'crd-unusable'
  | 'not-found'
  | 'already-exists'
  | 'conflict'
  /** 410: the resource version is too old to go on from. */
  | 'expired'
  /** An admission webhook or policy refused the object. */
  | 'denied'
  /** An admission webhook could not be asked. */
  | 'webhook-unavailable'
  /** 422, 400, 413, or too large for what stores it: the API server will never take this object. */
  | 'invalid';

/** A call that the API server refused or did not answer. The message is for our log; it never leaves in a body. */
export class KubernetesApiError extends Error {
  override readonly name = 'KubernetesApiError';
  /** How long the server asks to stay away. Milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The server was not asked, or its caller gave up before it had had its time. */
  readonly abandoned: boolean;
  /** This call was not answered, and another meanwhile was: what hangs is the call alone, e.g. in a slow admission webhook. */
  readonly serverAnswers: boolean;

  constructor(
    readonly failure: KubernetesFailure,
    message: string,
    readonly statusCode?: number,
    { retryAfterMs, abandoned = false, serverAnswers = false, ...options }: KubernetesApiErrorOptions = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.abandoned = abandoned;
    this.serverAnswers = serverAnswers;
  }
}

export interface KubernetesApiErrorOptions extends ErrorOptions {
  readonly retryAfterMs?: number | undefined;
  readonly abandoned?: boolean;
  readonly serverAnswers?: boolean;
}

/** What no repetition and no operator's doing would change: the answer would be the same. */
const permanentFailures = ['denied', 'invalid'] as const satisfies readonly KubernetesFailure[];
export type PermanentFailure = (typeof permanentFailures)[number];

export function isPermanent(failure: KubernetesFailure): failure is PermanentFailure {
  return (permanentFailures as readonly KubernetesFailure[]).includes(failure);
}

export function isFailure(error: unknown, failure: KubernetesFailure): error is KubernetesApiError {
  return error instanceof KubernetesApiError && error.failure === failure;
}

/** Admission answers with whatever code its author chose; only its words say that it was admission. */
const deniedByAdmission = /admission webhook ".*" denied the request|ValidatingAdmissionPolicy .* denied request/;

/** What etcd, or the way to it, says of an object: it comes as a 500, of a server that is well. */
const tooLarge = /request is too large|message larger than max/;

/** A webhook that is down, with `failurePolicy: Fail`: the API server itself is well. */
const webhookDown = 'failed calling webhook';

/**
 * Reads an error answer. `Status.reason` and `Status.details` decide; the text only where the server gives nothing else.
 * @param retryAfter the header of that name, in seconds
 */
export function toKubernetesApiError(statusCode: number, body: string, retryAfter?: unknown): KubernetesApiError {
  const status = parseStatus(body);
  const message = status?.message ?? `the API server answered ${statusCode}`;
  const seconds = Number(retryAfter ?? status?.details?.retryAfterSeconds);
  return new KubernetesApiError(classify(statusCode, status, message), message, statusCode, {
    retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  });
}

function parseStatus(body: string): V1Status | undefined {
  try {
    const parsed = JSON.parse(body) as V1Status | null;
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function classify(code: number, status: V1Status | undefined, message: string): KubernetesFailure {
  if (deniedByAdmission.test(message)) return 'denied';
  switch (code) {
    case 400:
      return message.includes('strict decoding error') ? 'crd-unusable' : refused(status);
    case 413:
    case 422:
      return refused(status);
    case 401:
      return 'unauthenticated';
    case 403:
      return classifyForbidden(status, message);
    case 404:
      // Without the kind of an object in it, the path itself is unknown: the CRD is not served.
      if (status?.details?.kind === 'namespaces') return 'namespace-unusable';
      return status?.reason === 'NotFound' && status.details?.name ? 'not-found' : 'crd-unusable';
    case 409:
      return status?.reason === 'AlreadyExists' ? 'already-exists' : 'conflict';
    case 410:
      return 'expired';
    case 429:
      return 'overloaded';
    default:
      if (code === 500 && status !== undefined && tooLarge.test(message)) return 'invalid';
      return message.includes(webhookDown) ? 'webhook-unavailable' : 'unavailable';
  }
}

/** Only an API server can refuse an object for good. Something between us and it (a proxy, the wrong port) can be put right. */
function refused(status: V1Status | undefined): KubernetesFailure {
  return status === undefined ? 'unavailable' : 'invalid';
}

function classifyForbidden(status: V1Status | undefined, message: string): KubernetesFailure {
  if (status?.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating')) return 'namespace-unusable';
  if (message.includes('because it is being terminated')) return 'namespace-unusable';
  return message.includes('exceeded quota') ? 'quota-exceeded' : 'forbidden';
}
