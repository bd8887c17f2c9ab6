import { assert, integer, property, string } from 'fast-check';
import { isFailure, KubernetesApiError, toKubernetesApiError, type KubernetesFailure } from './kubernetes-api.error';

interface Answer {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: object;
}

const read = ({ code, ...status }: Answer): KubernetesFailure =>
  toKubernetesApiError(code, JSON.stringify({ kind: 'Status', status: 'Failure', code, ...status })).failure;

const quota =
  'remediationrequests.remediation.kubernaut.io "remediation-a-1" is forbidden: exceeded quota: objects, requested: count/remediationrequests=1, used: 5, limited: 5';
const rbac =
  'remediationrequests.remediation.kubernaut.io is forbidden: User "system:serviceaccount:kubernaut-system:gateway" cannot create resource "remediationrequests" in API group "remediation.kubernaut.io" in the namespace "prod"';
const terminating =
  'remediationrequests.remediation.kubernaut.io "x" is forbidden: unable to create new content in namespace prod because it is being terminated';
const policy =
  "remediationrequests.remediation.kubernaut.io \"x\" is forbidden: ValidatingAdmissionPolicy 'no-p0' with binding 'all' denied request: no P0 at night";

describe('toKubernetesApiError', () => {
  it.each<[string, Answer, KubernetesFailure]>([
    ['an object that exists', { code: 409, reason: 'AlreadyExists', details: { name: 'x' } }, 'already-exists'],
    ['a stale resource version', { code: 409, reason: 'Conflict', details: { name: 'x' } }, 'conflict'],
    [
      'an object that does not exist',
      { code: 404, reason: 'NotFound', details: { name: 'x', kind: 'rr' } },
      'not-found',
    ],
    [
      'a namespace that does not exist',
      { code: 404, reason: 'NotFound', details: { name: 'prod', kind: 'namespaces' } },
      'namespace-unusable',
    ],
    [
      'a namespace that is being deleted, by its cause',
      { code: 403, reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } },
      'namespace-unusable',
    ],
    ['a namespace that is being deleted, by its words', { code: 403, message: terminating }, 'namespace-unusable'],
    ['a CRD that is missing', { code: 404, reason: 'NotFound', details: {} }, 'crd-unusable'],
    [
      'a CRD that is too old',
      { code: 400, reason: 'BadRequest', message: 'strict decoding error: unknown field "spec.payloadDigest"' },
      'crd-unusable',
    ],
    ['a permission that we lack', { code: 403, reason: 'Forbidden', message: rbac }, 'forbidden'],
    ['a quota', { code: 403, reason: 'Forbidden', message: quota }, 'quota-exceeded'],
    ['credentials that are not accepted', { code: 401, reason: 'Unauthorized' }, 'unauthenticated'],
    ['an object that is invalid', { code: 422, reason: 'Invalid', message: 'spec.severity: Unsupported' }, 'invalid'],
    ['an object that is too large', { code: 413, reason: 'RequestEntityTooLarge' }, 'invalid'],
    [
      'an object that is too large for etcd',
      { code: 500, reason: 'InternalError', message: 'etcdserver: request is too large' },
      'invalid',
    ],
    [
      'an object that is too large for the way to etcd',
      {
        code: 500,
        message:
          'rpc error: code = ResourceExhausted desc = trying to send message larger than max (3406372 vs. 2097152)',
      },
      'invalid',
    ],
    ['a request that makes no sense', { code: 400, reason: 'BadRequest' }, 'invalid'],
    ['a version that is too old', { code: 410, reason: 'Expired' }, 'expired'],
    ['priority and fairness', { code: 429, reason: 'TooManyRequests' }, 'overloaded'],
    ['a timeout', { code: 504, reason: 'Timeout' }, 'unavailable'],
    ['a server that shuts down', { code: 503, reason: 'ServiceUnavailable' }, 'unavailable'],
    [
      'a webhook that cannot be reached',
      {
        code: 500,
        reason: 'InternalError',
        message: 'Internal error occurred: failed calling webhook "v.example.com"',
      },
      'webhook-unavailable',
    ],
  ])('recognises %s', (_, answer, failure) => {
    expect(read(answer)).toBe(failure);
  });

  it.each([400, 401, 403, 409, 422, 429, 500])(
    'recognises the denial of an admission webhook that answers %i',
    (code) => {
      expect(read({ code, message: 'admission webhook "v.example.com" denied the request: not today' })).toBe('denied');
    },
  );

  it.each([401, 403, 413, 422])('recognises the denial of an admission policy whose reason makes it %i', (code) => {
    expect(read({ code, message: policy })).toBe('denied');
  });

  // Proxies, load balancers and wrong ports: an operator can put these right, so no signal may be given up for them.
  it.each([
    [301, ''],
    [400, 'Client sent an HTTP request to an HTTPS server.'],
    [405, '{"kind":"Status","reason":"MethodNotAllowed"}'],
    [408, 'Request Timeout'],
    [413, '<html><h1>413 Request Entity Too Large</h1></html>'],
    [415, '{"kind":"Status"}'],
    [422, 'null'],
    [502, '<html>Bad Gateway</html>'],
  ])('takes %i "%s" for an API server that cannot be reached', (code, body) => {
    expect(toKubernetesApiError(code, body).failure).toBe('unavailable');
  });

  it('takes a path that nobody serves for a missing CRD', () => {
    expect(toKubernetesApiError(404, '404 page not found\n').failure).toBe('crd-unusable');
  });

  it('keeps the words of the server and the code for our log', () => {
    const error = toKubernetesApiError(403, JSON.stringify({ kind: 'Status', message: quota }));
    expect(error).toMatchObject({ name: 'KubernetesApiError', message: quota, statusCode: 403 });
    expect(toKubernetesApiError(502, 'no JSON').message).toBe('the API server answered 502');
  });

  it('makes something of every code and body', () => {
    assert(
      property(integer({ min: 300, max: 599 }), string(), (code, body) => {
        expect(toKubernetesApiError(code, body)).toBeInstanceOf(KubernetesApiError);
      }),
    );
  });
});

describe('isFailure', () => {
  it('is true of its own kind only', () => {
    const error = new KubernetesApiError('conflict', 'changed');
    expect(isFailure(error, 'conflict')).toBe(true);
    expect(isFailure(error, 'not-found')).toBe(false);
    expect(isFailure(new Error('conflict'), 'conflict')).toBe(false);
    expect(isFailure(undefined, 'conflict')).toBe(false);
  });
});
