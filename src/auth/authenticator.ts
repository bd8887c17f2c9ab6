import { hash, randomBytes } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import type { Caller } from '../caller';
import type { Clock } from '../clock';
import { deadlineIn } from '../deadline';
import { messageOf } from '../error-message';
import { ProblemError } from '../http/problem';
import type { TokenReview, TokenReviewClient } from '../kubernetes/token-review.client';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { Places } from '../places';
import { recentlyUsed } from '../recently-used';

export interface AuthenticatorOptions {
  /** The token must be meant for one of these. */
  readonly audiences: readonly string[];
  readonly tokenCacheTtlMs: number;
  readonly failureCacheTtlMs: number;
  readonly maxReviewsInFlight: number;
}

/** Charges an address for what it costs before it is known; the charge is given back when the token proves good. */
export interface AddressMeter {
  readonly address: string;
  /** @throws ProblemError when the address has used up its limit */
  charge(): Promise<void>;
  giveBack(): void;
}

const maxTokenLength = 16 * 1024;
const maxCached = 10_000;
/** Reviews that wait for one in flight to end; beyond it we are overloaded. */
const maxWaiting = 256;
/** A review, its repetitions and the wait for a place among those in flight, inside the five seconds of a request. */
const answerTimeoutMs = 4_500;
const bearer = /^Bearer +([\x21-\x7e]+) *$/i;

/**
 * What in `status.error` says that the API server could not find out, rather than that the token is bad. It names a
 * reason for every token that it refuses ("invalid bearer token", "token has expired"), so the member alone says nothing.
 */
const couldNotTell =
  /deadline exceeded|timed? ?out|context canceled|connection refused|connection reset|unreachable|no route to host|no such host|not initialized|unavailable|internal error|too many requests|etcdserver|\bEOF\b|TLS handshake/i;
/** Authenticators quote what a token claims: not the words of the API server. */
const quoted = /"(?:[^"\\]|\\.)*"/g;

const uncharged: AddressMeter = { address: '', charge: () => Promise.resolve(), giveBack: () => undefined };

/**
 * Finds out who sends a request, by TokenReview.
 *
 * Answers are cached, good and bad ones apart, so that bad tokens cannot push out good ones. A review that failed says
 * nothing about the token: it is 503 and never cached (contract, section 3).
 */
export class Authenticator {
  /** Before every token that is digested. */
  private readonly salt: string;
  private readonly accepted: LRUCache<string, Caller>;
  private readonly refused: LRUCache<string, string>;
  /** Tokens whose last answer was good, however long ago. To ask about one again is not charged to its address. */
  private readonly proven = recentlyUsed<string, true>(maxCached);
  /** Tokens that are being charged or reviewed. */
  private readonly inFlight = new Map<string, { token: string; address: string; caller: Promise<Caller> }>();
  private readonly places: Places;
  /** A lane for tokens that were good before: bad ones cannot hold them up. */
  private readonly provenPlaces: Places;
  private reviewsFail = false;

  constructor(
    private readonly reviews: TokenReviewClient,
    private readonly options: AuthenticatorOptions,
    private readonly clock: Clock,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {
    this.salt = `${randomBytes(32).toString('base64')} ${options.audiences.join(' ')} `;
    this.accepted = recentlyUsed(maxCached, { ttl: Math.max(1, options.tokenCacheTtlMs) });
    this.refused = recentlyUsed(maxCached, { ttl: Math.max(1, options.failureCacheTtlMs) });
    this.places = new Places(options.maxReviewsInFlight);
    this.provenPlaces = new Places(options.maxReviewsInFlight);
  }

  get sizes(): { readonly accepted: number; readonly refused: number } {
    return { accepted: this.accepted.size, refused: this.refused.size };
  }

  /**
   * The caller that the `Authorization` header speaks for; at once when it is already known, and else never thrown but rejected.
   * @throws ProblemError `unauthenticated`, `rate-limited`, or `authentication-unavailable` when it could not be found out
   */
  authenticate(authorization: string | undefined, address: AddressMeter): Caller | Promise<Caller> {
    const token = authorization === undefined ? undefined : bearer.exec(authorization)?.[1];
    if (token === undefined || token.length > maxTokenLength) {
      const reason = authorization === undefined ? 'no bearer token' : 'malformed Authorization header';
      return this.chargeAndRefuse(reason, address);
    }
    const key = this.keyOf(token);
    const known = this.accepted.get(key);
    if (known !== undefined) {
      this.metrics.authentication.count({ result: 'cached' });
      return known;
    }
    const refusal = this.refused.get(key);
    if (refusal !== undefined) return this.chargeAndRefuse(refusal, address);
    return this.join(key, address) ?? this.findOut(token, key, address);
  }

  private async chargeAndRefuse(reason: string, address: AddressMeter): Promise<never> {
    await address.charge();
    throw this.refuse(reason);
  }

  /** To join what is being found out is free. Another address that used up its limit must not decide for this one. */
  private join(key: string, address: AddressMeter): Promise<Caller> | undefined {
    const running = this.inFlight.get(key);
    if (running === undefined || running.address === address.address) return running?.caller;
    return running.caller.catch((error: unknown) => {
      if (!(error instanceof ProblemError && error.kind === 'rate-limited')) throw error;
      return this.join(key, address) ?? this.findOut(running.token, key, address);
    });
  }

  private findOut(token: string, key: string, address: AddressMeter): Promise<Caller> {
    const meter = this.proven.has(key) ? uncharged : address;
    const caller = this.chargeAndReview(token, key, meter).finally(() => this.inFlight.delete(key));
    this.inFlight.set(key, { token, address: address.address, caller });
    return caller;
  }

  private async chargeAndReview(token: string, key: string, address: AddressMeter): Promise<Caller> {
    await address.charge();
    return this.review(token, key, address);
  }

  private async review(token: string, key: string, address: AddressMeter): Promise<Caller> {
    const answer = await this.ask(token, this.proven.has(key) ? this.provenPlaces : this.places).catch(
      (error: unknown) => {
        // What is not the token's fault must not use up the sender's limit: it comes back with the same token.
        address.giveBack();
        throw this.unavailable(messageOf(error));
      },
    );
    if (this.reviewsFail) this.log.info({}, 'token review available again');
    this.reviewsFail = false;
    if (!answer.authenticated || answer.username === undefined) {
      if (answer.error !== undefined && couldNotTell.test(answer.error.replace(quoted, ''))) {
        address.giveBack();
        throw this.unavailable(answer.error);
      }
      return this.remember(key, 'the API server does not accept the token');
    }
    if (!answer.audiences.some((audience) => this.options.audiences.includes(audience))) {
      return this.remember(key, `the token is not meant for ${this.options.audiences.join(' or ')}`);
    }
    address.giveBack();
    const { username, uid, groups, extra } = answer;
    const caller: Caller = {
      username,
      ...(uid ? { uid } : {}),
      ...(groups ? { groups } : {}),
      ...(extra ? { extra } : {}),
    };
    this.proven.set(key, true);
    this.accepted.set(key, caller, { ttl: this.lifeOf(token) });
    this.metrics.authentication.count({ result: 'accepted' });
    return caller;
  }

  private async ask(token: string, places: Places): Promise<TokenReview> {
    if (places.waitingCount >= maxWaiting) throw new Error('too many token reviews are waiting');
    const due = deadlineIn(answerTimeoutMs);
    const review = () => this.reviews.review(token, this.options.audiences, due.signal);
    return places.run(review, due.signal).finally(() => due.clear());
  }

  private remember(key: string, reason: string): never {
    this.proven.delete(key);
    this.refused.set(key, reason);
    throw this.refuse(reason);
  }

  private refuse(reason: string): ProblemError {
    this.metrics.authentication.count({ result: 'refused' });
    this.log.warn({ reason }, 'authentication failed');
    const detail = `Authentication failed: ${reason}. Send 'Authorization: Bearer <token>' with a token for the audience '${this.options.audiences.join("' or '")}'`;
    return new ProblemError('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } });
  }

  private unavailable(reason: string): ProblemError {
    this.metrics.authentication.count({ result: 'error' });
    // A state of a dependency, told when it changes: each request has its own line with its status.
    if (!this.reviewsFail) this.log.error({ reason }, 'authentication failed: token review unavailable');
    this.reviewsFail = true;
    return new ProblemError('authentication-unavailable', 'The token could not be checked now, send the request again');
  }

  /** A token that says when it expires is not believed for longer. At least a millisecond, for 0 would mean for ever. */
  private lifeOf(token: string): number {
    const expiresAt = expiryOf(token);
    const left = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - this.clock.now();
    return Math.max(1, Math.min(this.options.tokenCacheTtlMs, left));
  }

  /**
   * Tokens are not kept, but digests with a salt that dies with the process. An HMAC costs every known alert 3 µs more, and protects digests
   * that are shown to somebody (ADR 0010); these are not.
   */
  private keyOf(token: string): string {
    return hash('sha256', this.salt + token, 'base64');
  }
}

/** `exp` of a JSON Web Token in milliseconds, for what can be read; nothing is believed of it but that it ends. */
function expiryOf(token: string): number | undefined {
  const claims = token.split('.')[1];
  if (claims === undefined) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
