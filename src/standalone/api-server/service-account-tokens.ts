import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock';
import { invalid, notFound } from './api-status';
import type { ObjectStore } from './object-store';
import { serviceAccountType } from './resource-types';
import { isRecord } from './structural-schema';

/** Who takes a token that names no audience: the API server itself. */
export const ownAudience = 'https://kubernetes.default.svc';

export interface VerifiedToken {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly credentialId: string;
  readonly audiences: readonly string[];
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
  };
}

const defaultSeconds = 3_600;
const minSeconds = 600;
const maxSeconds = 2 ** 32;

/** Gives out tokens of service accounts and knows them again. The key is of this process: no token outlives it. */
export class ServiceAccountTokens {
  private readonly key = randomBytes(32);

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Answers a TokenRequest.
   * @throws ApiStatus
   */
  issue(namespace: string, name: string, request: Record<string, unknown>): object {
    const account = this.store.get(serviceAccountType, namespace, name);
    if (account === undefined) throw notFound(serviceAccountType, name);
    const spec = isRecord(request.spec) ? request.spec : {};
    const asked = Array.isArray(spec.audiences) ? spec.audiences.map(String) : [];
    const audiences = asked.length > 0 ? asked : [ownAudience];
    const seconds = typeof spec.expirationSeconds === 'number' ? spec.expirationSeconds : defaultSeconds;
    refuseBadDuration(seconds);
    const now = Math.floor(this.clock.now() / 1000);
    const { uid = '' } = account.metadata;
    const token = this.signed({
      aud: audiences,
      exp: now + seconds,
      iat: now,
      iss: ownAudience,
      jti: randomUUID(),
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
      nbf: now,
      sub: usernameOf(namespace, name),
    });
    return {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, uid, creationTimestamp: timestamp(now) },
      spec: { audiences, expirationSeconds: seconds, boundObjectRef: null },
      status: { token, expirationTimestamp: timestamp(now + seconds) },
    };
  }

  /**
   * Who a token is of, for those of these audiences that it is for; in words why not when it is not good.
   * `undefined` when it is none of these tokens at all.
   */
  verify(token: string, wanted: readonly string[]): VerifiedToken | string | undefined {
    const parts = token.split('.');
    const [header = '', payload = '', signature = ''] = parts;
    if (parts.length !== 3 || signature === '') return undefined;
    const expected = Buffer.from(this.signatureOf(`${header}.${payload}`));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given))
      return 'go-jose/go-jose: error in cryptographic primitive';
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
    const audiences = wanted.filter((audience) => claims.aud.includes(audience));
    if (audiences.length === 0)
      return `token audiences ${listed(claims.aud)} is invalid for the target audiences ${listed(wanted)}`;
    if (claims.exp * 1000 <= this.clock.now()) return 'service account token has expired';
    const { namespace, serviceaccount } = claims['kubernetes.io'];
    const account = this.store.get(serviceAccountType, namespace, serviceaccount.name);
    if (account === undefined) return `serviceaccounts "${serviceaccount.name}" not found`;
    const { uid = '' } = account.metadata;
    if (uid !== serviceaccount.uid) return `service account UID (${uid}) does not match claim (${serviceaccount.uid})`;
    return {
      username: claims.sub,
      uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      credentialId: claims.jti,
      audiences,
    };
  }

  private signed(claims: Claims): string {
    const content = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;
    return `${content}.${this.signatureOf(content)}`;
  }

  private signatureOf(content: string): string {
    return createHmac('sha256', this.key).update(content).digest('base64url');
  }
}

function refuseBadDuration(seconds: number): void {
  const limit =
    seconds < minSeconds ? 'less than 10 minutes' : seconds > maxSeconds ? 'larger than 2^32 seconds' : undefined;
  if (limit === undefined) return;
  throw invalid({ group: 'authentication.k8s.io', plural: '', kind: 'TokenRequest' }, '', [
    {
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${seconds}: may not specify a duration ${limit}`,
      field: 'spec.expirationSeconds',
    },
  ]);
}

function usernameOf(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** As Go prints a list of strings. */
function listed(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

function timestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
