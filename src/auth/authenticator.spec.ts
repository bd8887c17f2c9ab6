import { setTimeout as delay } from 'node:timers/promises';
import { FakeClock } from '../../test/support/fake-clock';
import { FakeTokenReviewClient } from '../../test/support/fake-token-reviews';
import { RecordingLog } from '../../test/support/recording-log';
import { problemCatalogue, ProblemError } from '../http/problem';
import type { Caller } from '../caller';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { Authenticator, type AddressMeter, type AuthenticatorOptions } from './authenticator';

const alertmanager = 'system:serviceaccount:monitoring:alertmanager';
const tokenOf = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;

/** An address with so many charges left. */
class FakeAddress implements AddressMeter {
  charged = 0;

  constructor(
    private readonly limit = Number.POSITIVE_INFINITY,
    readonly address = 'a',
  ) {}

  charge(): Promise<void> {
    if (this.charged >= this.limit) return Promise.reject(new ProblemError('rate-limited', 'too many'));
    this.charged++;
    return Promise.resolve();
  }

  giveBack(): void {
    this.charged--;
  }
}

describe('Authenticator', () => {
  let clock: FakeClock;
  let reviews: FakeTokenReviewClient;
  let log: RecordingLog;
  let address: FakeAddress;
  let authenticator: Authenticator;
  let expire: (atLeastMs: number) => void;

  beforeEach(() => {
    clock = new FakeClock();
    const began = clock.now() - 1;
    jest.spyOn(performance, 'now').mockImplementation(() => clock.now() - began);
    // Time limits end when a spec says so: those of this length and shorter.
    const limits: { milliseconds: number; end: () => void }[] = [];
    const realTimeout = globalThis.setTimeout;
    jest.spyOn(globalThis, 'setTimeout').mockImplementation((end: () => void, milliseconds = 0) => {
      if (milliseconds >= 1_000) limits.push({ milliseconds, end });
      return realTimeout(end, milliseconds);
    });
    expire = (atLeast) => {
      for (const { milliseconds, end } of [...limits]) if (milliseconds <= atLeast) end();
    };
    reviews = new FakeTokenReviewClient();
    reviews.accept('good');
    log = new RecordingLog();
    address = new FakeAddress();
    authenticator = authenticatorWith();
  });
  afterEach(() => jest.restoreAllMocks());

  function authenticatorWith(options: Partial<AuthenticatorOptions> = {}): Authenticator {
    const defaults = { tokenCacheTtlMs: 60_000, failureCacheTtlMs: 10_000, maxReviewsInFlight: 16 };
    const all = { audiences: ['kubernaut-gateway'], ...defaults, ...options };
    return new Authenticator(reviews, all, clock, new GatewayMetrics(), log);
  }
  const authenticate = async (authorization?: string, from: AddressMeter = address): Promise<Caller> =>
    authenticator.authenticate(authorization, from);
  /** The caller's name, or the status that it is answered. */
  const outcome = (token: string, from?: AddressMeter) => outcomeOf(authenticate(`Bearer ${token}`, from));
  /** The memory of answers looks at its clock once a millisecond. */
  const advance = async (milliseconds: number) => {
    clock.advance(milliseconds);
    await delay(3);
  };

  describe('reads the header', () => {
    it.each(['Bearer good', 'bearer good', 'BEARER   good', 'Bearer good  '])('"%s"', async (authorization) => {
      expect(await authenticate(authorization)).toEqual({ username: alertmanager });
    });

    it.each([
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'good',
      'Basic Z29vZA==',
      'Bearer good good',
      'Bearer gööd',
      'Bearer good\u0000',
      'Bearergood',
      `Bearer ${'x'.repeat(16 * 1024 + 1)}`,
    ])('refuses %j without asking anybody, and charges the address', async (authorization) => {
      expect(await outcomeOf(authenticate(authorization))).toBe(401);
      expect(reviews.asked).toEqual([]);
      expect(address.charged).toBe(1);
    });

    it('asks about any token, however opaque', async () => {
      reviews.accept('0123456789');
      expect(await outcome('0123456789')).toBe(alertmanager);
    });
  });

  describe('refuses', () => {
    it('a token that the API server does not accept, with what to do about it', async () => {
      const error = await problemOf(authenticate('Bearer bad'));
      expect(error.message).toBe(
        "Authentication failed: the API server does not accept the token. Send 'Authorization: Bearer <token>' with a token for the audience 'kubernaut-gateway'",
      );
      expect(error.headers).toEqual({ 'www-authenticate': 'Bearer' });
      expect(log.lines).toEqual([
        {
          level: 'warn',
          fields: { reason: 'the API server does not accept the token' },
          message: 'authentication failed',
        },
      ]);
    });

    it.each([[[]], [['https://kubernetes.default.svc']], [['kubernaut-gateway-2', 'KUBERNAUT-GATEWAY']]])(
      'a token that is good, but for the audiences %j',
      async (audiences) => {
        reviews.accept('other', alertmanager, audiences);
        const error = await problemOf(authenticate('Bearer other'));
        expect(error).toMatchObject({ kind: 'unauthenticated', message: expect.stringContaining('not meant for') });
      },
    );

    it('a token that is accepted without saying whose it is', async () => {
      reviews.answers.set('nobody', { authenticated: true, audiences: ['kubernaut-gateway'] });
      expect(await outcome('nobody')).toBe(401);
    });

    it('never with the token in the answer or in the log', async () => {
      const secret = 'eyJhbGciOiJSUzI1NiJ9.secret.secret';
      const error = await problemOf(authenticate(`Bearer ${secret}`));
      reviews.failNext('unavailable');
      await problemOf(authenticate(`Bearer ${secret}2`));
      expect(JSON.stringify([error.message, error.details, log.lines])).not.toContain(secret);
    });
  });

  it('asks for all configured audiences and takes a token for any of them', async () => {
    authenticator = authenticatorWith({ audiences: ['a', 'b'] });
    reviews.accept('for-b', 'bob', ['b', 'c']);
    expect(await outcome('for-b')).toBe('bob');
    expect(reviews.audiences).toEqual(['a', 'b']);
  });

  describe('remembers', () => {
    it('a good token for its time, and answers at once', async () => {
      expect(authenticator.authenticate('Bearer good', address)).toBeInstanceOf(Promise);
      await outcome('good');
      for (let i = 0; i < 60; i++) {
        expect(authenticator.authenticate('Bearer good', address)).toEqual({ username: alertmanager });
        await advance(1_000);
      }
      expect(reviews.asked).toEqual(['good']);
      await advance(1);
      await outcome('good');
      expect(reviews.asked).toEqual(['good', 'good']);
    });

    it('a bad token for a shorter time', async () => {
      await outcome('bad');
      await advance(10_000);
      expect(await outcome('bad')).toBe(401);
      expect(reviews.asked).toEqual(['bad']);
      await advance(1);
      reviews.accept('bad', 'reformed');
      expect(await outcome('bad')).toBe('reformed');
    });

    it('a token for another audience as a bad one', async () => {
      reviews.accept('other', alertmanager, ['other']);
      await outcome('other');
      expect(await outcome('other')).toBe(401);
      expect(reviews.asked).toEqual(['other']);
    });

    it('a token no longer than it lives itself', async () => {
      const token = tokenOf({ exp: clock.now() / 1_000 + 20 });
      reviews.accept(token);
      await outcome(token);
      await advance(20_000);
      await outcome(token);
      expect(reviews.asked).toHaveLength(1);
      reviews.answers.delete(token);
      await advance(1);
      expect(await outcome(token)).toBe(401);
    });

    it.each([
      ['has expired by our clock', { exp: 1 }],
      ['lives longer', { exp: 99_999_999_999 }],
      ['lives for ever', {}],
      ['says nonsense', { exp: 'soon' }],
    ])('a token that %s no longer than others, and not for ever', async (_, claims) => {
      const token = tokenOf(claims);
      reviews.accept(token);
      expect(await outcome(token)).toBe(alertmanager);
      await advance(60_001);
      await outcome(token);
      expect(reviews.asked).toHaveLength(2);
    });

    it.each(['x.y.z', 'a..b', 'x.bnVsbA.y', '...', 'x.W10.y'])(
      '"%s", of which no expiry can be read',
      async (token) => {
        reviews.accept(token);
        expect(await outcome(token)).toBe(alertmanager);
      },
    );

    it('a bounded number of bad tokens, which push out no good one', async () => {
      await outcome('good');
      const asked = 30_000;
      for (let i = 0; i < asked; i += 200) {
        await Promise.all(Array.from({ length: 200 }, (_, j) => outcome(`bad-${i + j}`)));
      }
      expect(authenticator.sizes).toEqual({ accepted: 1, refused: 10_000 });
      expect(await outcome('good')).toBe(alertmanager);
      expect(reviews.asked).toHaveLength(1 + asked);
      expect(reviews.peak).toBeLessThanOrEqual(16);
    });
  });

  describe('when the API server cannot tell', () => {
    it.each(['unavailable', 'overloaded', 'unauthenticated', 'forbidden', 'crd-unusable'] as const)(
      'answers 503 after "%s", and remembers nothing of it',
      async (failure) => {
        reviews.failNext(failure);
        const error = await problemOf(authenticate('Bearer good'));
        expect(error.kind).toBe('authentication-unavailable');
        expect(error.headers).toMatchObject({ 'retry-after': '5' });
        expect(error.message).not.toContain('told to fail');
        expect(authenticator.sizes).toEqual({ accepted: 0, refused: 0 });
        expect(await outcome('good')).toBe(alertmanager);
      },
    );

    it.each([
      'context deadline exceeded',
      'Post "https://idp.example.com/introspect": dial tcp 10.0.0.9:443: connect: connection refused',
      'lookup idp.example.com: no such host',
      'oidc: authenticator not initialized',
      'Get "https://idp.example.com/keys": net/http: TLS handshake timeout',
      'etcdserver: leader changed',
      'unexpected EOF',
      'context canceled',
      'dial tcp 10.0.0.9:443: connect: no route to host',
    ])('answers 503 to "%s"', async (error) => {
      reviews.answers.set('token', { authenticated: false, audiences: [], error });
      expect(await outcome('token')).toBe(503);
      reviews.accept('token');
      expect(await outcome('token')).toBe(alertmanager);
    });

    it.each([
      'invalid bearer token',
      '[invalid bearer token, token has expired]',
      'service account token has been invalidated',
      // What a token claims is the caller's text, and must not make a refusal look like an outage.
      'oidc: expected audience "kubernetes" got ["connection refused"]',
      'oidc: id token issued by a different provider, expected "a" got "\\"deadline exceeded\\""',
    ])("answers 401 to '%s', for that is about the token", async (error) => {
      reviews.answers.set('token', { authenticated: false, audiences: [], error });
      expect(await outcome('token')).toBe(401);
    });

    it('says so in the log as an error, for somebody must act', async () => {
      reviews.failNext('forbidden');
      await outcome('good');
      expect(log.lines).toMatchObject([{ level: 'error', fields: { reason: 'told to fail: forbidden' } }]);
    });

    it('gives a slow review up in time for an answer', async () => {
      reviews.hold();
      const answer = outcome('good');
      await turn();
      expire(4_500);
      expect(await answer).toBe(503);
      await turn();
      expect(reviews.inFlight).toBe(0);
    });

    it('answers in time also those who wait for a place among the reviews in flight', async () => {
      authenticator = authenticatorWith({ maxReviewsInFlight: 1 });
      const release = reviews.hold();
      const answers = ['a', 'b', 'c'].map((token) => outcome(token));
      await turn();
      expire(4_500);
      expect(await Promise.all(answers)).toEqual([503, 503, 503]);
      release();
      expect(await outcome('good')).toBe(alertmanager);
      expect(reviews.asked).not.toContain('c');
    });

    it('lets bad tokens that fill every place hold up no token that was good before', async () => {
      expect(await outcome('good')).toBe(alertmanager);
      clock.advance(60_001);
      const release = reviews.hold();
      const bad = Array.from({ length: 16 + 256 }, (_, i) => outcome(`bad-${i}`));
      await turn();
      const again = outcome('good');
      await turn();
      expect(reviews.asked.filter((token) => token === 'good')).toHaveLength(2);
      release();
      expect(await again).toBe(alertmanager);
      await Promise.all(bad);
    });

    it('answers 503 at once to those for whom there is not even a place to wait', async () => {
      const release = reviews.hold();
      const waiting = Array.from({ length: 16 + 256 }, (_, i) => outcome(`bad-${i}`));
      await turn();
      expect(await outcome('one-too-many')).toBe(503);
      expect(reviews.inFlight).toBe(16);
      release();
      expect(new Set(await Promise.all(waiting))).toEqual(new Set([401]));
      expect(reviews.peak).toBe(16);
      expect(await outcome('good')).toBe(alertmanager);
    });
  });

  it('asks once about a token that arrives a hundred times at once', async () => {
    const release = reviews.hold();
    const answers = Array.from({ length: 100 }, () => outcome('good'));
    release();
    expect(new Set(await Promise.all(answers))).toEqual(new Set([alertmanager]));
    expect(reviews.asked).toEqual(['good']);
  });

  it('tells all who joined a review when it fails, and asks anew for the next', async () => {
    reviews.failNext('unavailable');
    const answers = Array.from({ length: 5 }, () => outcome('good'));
    expect(await Promise.all(answers)).toEqual([503, 503, 503, 503, 503]);
    expect(await outcome('good')).toBe(alertmanager);
  });

  describe('charges the address', () => {
    it('nothing in the end for a token that proves good', async () => {
      const charge = jest.spyOn(address, 'charge');
      await outcome('good');
      expect(charge).toHaveBeenCalledTimes(1);
      expect(address.charged).toBe(0);
    });

    it('for a bad token, and each time that it comes again', async () => {
      for (let i = 0; i < 3; i++) await outcome('bad');
      expect(address.charged).toBe(3);
      expect(reviews.asked).toEqual(['bad']);
    });

    it('for a token for another audience', async () => {
      reviews.accept('other', alertmanager, ['other']);
      await outcome('other');
      expect(address.charged).toBe(1);
    });

    it('nothing when the API server cannot tell: the sender comes back with the same token', async () => {
      reviews.failNext('unavailable');
      await outcome('good');
      reviews.answers.set('token', { authenticated: false, audiences: [], error: 'context deadline exceeded' });
      await outcome('token');
      expect(address.charged).toBe(0);
    });

    it('once for all who come while it is being charged', async () => {
      const slow = new FakeAddress(1);
      jest.spyOn(slow, 'charge').mockImplementationOnce(() =>
        delay(20).then(() => {
          slow.charged++;
        }),
      );
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome('good', slow)));
      expect(new Set(outcomes)).toEqual(new Set([alertmanager]));
      expect(slow.charged).toBe(0);
    });

    it('to an address of its own, when it joins one that used up its limit', async () => {
      const [exhausted, fresh] = [new FakeAddress(0, 'a'), new FakeAddress(1, 'b')];
      jest
        .spyOn(exhausted, 'charge')
        .mockImplementationOnce(() =>
          delay(20).then(() => Promise.reject(new ProblemError('rate-limited', 'too many'))),
        );
      expect(await Promise.all([outcome('good', exhausted), outcome('good', fresh)])).toEqual([429, alertmanager]);
    });

    it('once for all who join one review', async () => {
      const answers = Array.from({ length: 100 }, () => outcome('bad'));
      expect(new Set(await Promise.all(answers))).toEqual(new Set([401]));
      expect(address.charged).toBe(1);
    });

    it('and refuses it with 429 when it has used up its limit, without asking', async () => {
      const poor = new FakeAddress(2);
      const answers = [];
      for (const token of ['bad-1', 'bad-2', 'bad-3', 'unknown-but-good']) answers.push(await outcome(token, poor));
      expect(answers).toEqual([401, 401, 429, 429]);
      expect(reviews.asked).toEqual(['bad-1', 'bad-2']);
      expect(await outcomeOf(authenticate(undefined, poor))).toBe(429);
    });

    it('but lets in whom it knows, whatever others do from that address', async () => {
      const poor = new FakeAddress(2);
      await outcome('good', poor);
      for (const token of ['bad-1', 'bad-2', 'bad-3']) await outcome(token, poor);
      expect(await outcome('good', poor)).toBe(alertmanager);
    });

    it('nothing to look again at a token that was good, so that its sender never meets the limit', async () => {
      const poor = new FakeAddress(2);
      await outcome('good', poor);
      for (const token of ['bad-1', 'bad-2', 'bad-3']) await outcome(token, poor);
      await advance(60_001);
      expect(await outcome('good', poor)).toBe(alertmanager);
      expect(reviews.asked.filter((token) => token === 'good')).toHaveLength(2);
    });

    it('again for a token that was good and is no longer', async () => {
      await outcome('good');
      reviews.answers.delete('good');
      await advance(60_001);
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await outcome('good'));
      expect(answers).toEqual([401, 401, 401]);
      expect(address.charged).toBe(2);
    });
  });
});

async function outcomeOf(answer: Promise<Caller>): Promise<string | number> {
  try {
    return (await answer).username;
  } catch (error) {
    if (error instanceof ProblemError) return problemCatalogue[error.kind].status;
    throw error;
  }
}

async function problemOf(answer: Promise<Caller>): Promise<ProblemError> {
  const error = await answer.catch((reason: unknown) => reason);
  if (error instanceof ProblemError) return error;
  throw new Error('expected a problem');
}

/** Lets everything happen that can happen now. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
