import type { ClaimRequest, SignalState } from '../../src/state/signal-state';
import type { RequestRef } from '../../src/request-ref';
import { aFingerprint, aRequest } from '../support/incident';
import { RedisServer } from '../support/redis-server';
import { subjects, type SignalStateSubject } from './signal-state.subjects';

/** Expiry is exact to the millisecond in no implementation. */
const slackMs = 20;

/** Of what must happen within a life: where a busy machine took longer, it says nothing, and is done again. */
async function inTime<T>(lifeMs: number, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    const begin = performance.now();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() - begin < lifeMs) throw error;
    }
  }
}

// Each case has fingerprints of its own, so nothing is ever cleaned.
describe('SignalState', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  describe.each(subjects)('%s', (_, open) => {
    let subject: SignalStateSubject;
    let state: SignalState;

    beforeAll(async () => {
      subject = await open(redis.addr);
      ({ state } = subject);
    });
    afterAll(() => subject.close());

    /** Claims one fingerprint that must be new, and answers the token. */
    const hold = async (request: ClaimRequest): Promise<string> => {
      const [claim] = await state.claim([request]);
      if (claim?.outcome !== 'new') throw new Error(`expected a new claim, got ${claim?.outcome}`);
      return claim.token;
    };
    const enter = async (fingerprint: string, request: RequestRef): Promise<string> => {
      const token = await hold({ fingerprint });
      await state.confirm([{ fingerprint, token, request }]);
      return token;
    };
    const outcomes = async (requests: readonly ClaimRequest[]): Promise<string[]> =>
      (await state.claim(requests)).map(({ outcome }) => outcome);

    describe('claim', () => {
      it('answers new to the first, pending until that one confirms, duplicate afterwards', async () => {
        const fingerprint = aFingerprint();
        const request = aRequest();

        const token = await hold({ fingerprint });
        const [second] = await state.claim([{ fingerprint }]);
        await state.confirm([{ fingerprint, token, request }]);
        const [third] = await state.claim([{ fingerprint }]);

        expect(second).toEqual({ outcome: 'pending', fingerprint, leaseMs: expect.any(Number) });
        expect(second).toHaveProperty('leaseMs', expect.closeTo(subject.leaseMs, -3));
        expect(third).toMatchObject({ outcome: 'duplicate', fingerprint, request, count: 2 });
      });

      it('answers at the index of the question', async () => {
        const [known, held, fresh] = [aFingerprint(), aFingerprint(), aFingerprint()];
        const request = aRequest();
        await enter(known, request);
        await hold({ fingerprint: held });

        const claims = await state.claim([fresh, known, held].map((fingerprint) => ({ fingerprint })));

        expect(claims).toEqual([
          expect.objectContaining({ outcome: 'new', fingerprint: fresh }),
          expect.objectContaining({ outcome: 'duplicate', fingerprint: known, request }),
          expect.objectContaining({ outcome: 'pending', fingerprint: held }),
        ]);
      });

      it('takes a webhook of a thousand', async () => {
        const fingerprints = Array.from({ length: 1_000 }, aFingerprint);
        const claims = await state.claim(fingerprints.map((fingerprint) => ({ fingerprint })));
        const confirmed = await state.confirm(
          claims.map((claim, i) => ({
            fingerprint: claim.fingerprint,
            token: claim.outcome === 'new' ? claim.token : '',
            request: { namespace: 'prod', name: `remediation-${i}` },
          })),
        );
        const again = await state.claim(fingerprints.map((fingerprint) => ({ fingerprint })));

        expect(confirmed.map((occurrences) => occurrences?.count)).toEqual(fingerprints.map(() => 1));
        expect(again.map((claim) => claim.outcome === 'duplicate' && claim.request.name)).toEqual(
          fingerprints.map((_, i) => `remediation-${i}`),
        );
      });

      it('is new for exactly one of a hundred at once', async () => {
        const fingerprint = aFingerprint();
        const claims = await Promise.all(Array.from({ length: 100 }, () => outcomes([{ fingerprint }])));
        expect(claims.flat().sort()).toEqual(['new', ...Array.from({ length: 99 }, () => 'pending')]);
      });

      it('is pending or duplicate, never new, while the holder confirms', async () => {
        const fingerprint = aFingerprint();
        const token = await hold({ fingerprint });
        const race = Array.from({ length: 20 }, (_, i) =>
          i === 10
            ? state.confirm([{ fingerprint, token, request: aRequest() }]).then(() => 'confirmed')
            : outcomes([{ fingerprint }]).then(([outcome]) => outcome),
        );
        expect(await Promise.all(race)).not.toContain('new');
        expect(await outcomes([{ fingerprint }])).toEqual(['duplicate']);
      });

      it('lets a lease lapse, and no earlier', async () => {
        const fingerprint = await inTime(subject.leaseMs, async () => {
          const held = aFingerprint();
          await hold({ fingerprint: held });
          await subject.advance(subject.leaseMs / 2);
          expect(await outcomes([{ fingerprint: held }])).toEqual(['pending']);
          return held;
        });
        await subject.advance(subject.leaseMs / 2 + slackMs);
        expect(await outcomes([{ fingerprint }])).toEqual(['new']);
      });

      it('forgets an entry when its ttl has passed since it was last seen', async () => {
        // Twice 0.6 of its life, of which neither may have become a whole one.
        const fingerprint = await inTime(subject.ttlMs * 1.6, async () => {
          const entered = aFingerprint();
          await enter(entered, aRequest());
          await subject.advance(subject.ttlMs * 0.6);
          expect(await outcomes([{ fingerprint: entered }])).toEqual(['duplicate']);
          await subject.advance(subject.ttlMs * 0.6);
          expect(await outcomes([{ fingerprint: entered }])).toEqual(['duplicate']);
          return entered;
        });
        await subject.advance(subject.ttlMs + slackMs);
        expect(await outcomes([{ fingerprint }])).toEqual(['new']);
      });

      it('counts every sighting, keeps the first time and moves the last', async () => {
        const fingerprint = aFingerprint();
        const token = await hold({ fingerprint });
        const [first] = await state.confirm([{ fingerprint, token, request: aRequest() }]);
        await subject.advance(50);
        const [second] = await state.claim([{ fingerprint }]);
        await subject.advance(50);
        const [third] = await state.claim([{ fingerprint }]);

        expect(first).toEqual({ count: 1, firstSeen: first?.lastSeen, lastSeen: first?.firstSeen });
        expect(second).toMatchObject({ count: 2, firstSeen: first?.firstSeen });
        expect(third).toMatchObject({ count: 3, firstSeen: first?.firstSeen });
        const times = [first, second, third].map((seen) => (seen && 'lastSeen' in seen ? seen.lastSeen : NaN));
        expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(49);
        expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(49);
      });

      it('does not count while it is pending', async () => {
        const fingerprint = aFingerprint();
        const token = await hold({ fingerprint });
        await state.claim([{ fingerprint }]);
        expect(await state.confirm([{ fingerprint, token, request: aRequest() }])).toEqual([
          expect.objectContaining({ count: 1 }),
        ]);
      });
    });

    describe('claim of a fingerprint whose object is over', () => {
      it('frees the entry that points to this object', async () => {
        const fingerprint = aFingerprint();
        const [over, next] = [aRequest(), aRequest()];
        await enter(fingerprint, over);

        const token = await hold({ fingerprint, over });
        expect(await state.find([fingerprint])).toEqual(['pending']);
        const [confirmed] = await state.confirm([{ fingerprint, token, request: next }]);

        expect(confirmed?.count).toBe(1);
        expect(await state.claim([{ fingerprint, over }])).toEqual([
          expect.objectContaining({ outcome: 'duplicate', request: next, count: 2 }),
        ]);
      });

      it.each([
        ['another name', { name: 'another' }],
        ['another namespace', { namespace: 'another' }],
      ])('leaves an entry that points to %s', async (_, difference) => {
        const fingerprint = aFingerprint();
        const request = aRequest();
        await enter(fingerprint, request);
        const claims = await state.claim([{ fingerprint, over: { ...request, ...difference } }]);
        expect(claims).toEqual([expect.objectContaining({ outcome: 'duplicate', request, count: 2 })]);
      });

      it("leaves somebody's claim", async () => {
        const fingerprint = aFingerprint();
        const over = aRequest();
        await enter(fingerprint, over);
        expect(await outcomes([{ fingerprint, over }])).toEqual(['new']);
        expect(await outcomes([{ fingerprint, over }])).toEqual(['pending']);
      });

      it('holds it for a lease, not for the ttl of the old entry', async () => {
        const fingerprint = aFingerprint();
        const over = aRequest();
        await enter(fingerprint, over);
        await hold({ fingerprint, over });
        await subject.advance(subject.leaseMs + slackMs);
        expect(await outcomes([{ fingerprint }])).toEqual(['new']);
      });
    });

    describe('confirm', () => {
      it('adds this sighting to what is known of an object that was found', async () => {
        const fingerprint = aFingerprint();
        const token = await hold({ fingerprint });
        const known = { count: 41, firstSeen: 1_759_572_000_123 };
        const confirmed = await state.confirm([{ fingerprint, token, request: aRequest(), known }]);
        expect(confirmed).toEqual([{ count: 42, firstSeen: known.firstSeen, lastSeen: expect.any(Number) }]);
        expect(await state.claim([{ fingerprint }])).toEqual([
          expect.objectContaining({ count: 43, firstSeen: known.firstSeen }),
        ]);
      });

      it('succeeds after the lease lapsed if nobody else took the fingerprint', async () => {
        const fingerprint = aFingerprint();
        const token = await hold({ fingerprint });
        await subject.advance(subject.leaseMs + slackMs);
        const confirmed = await state.confirm([{ fingerprint, token, request: aRequest() }]);
        expect(confirmed).toEqual([expect.objectContaining({ count: 1 })]);
        expect(await outcomes([{ fingerprint }])).toEqual(['duplicate']);
      });

      it('leaves the claim of somebody who took it after the lease lapsed', async () => {
        const fingerprint = aFingerprint();
        const stale = await hold({ fingerprint });
        await subject.advance(subject.leaseMs + slackMs);
        const token = await hold({ fingerprint });
        const request = aRequest();

        expect(await state.confirm([{ fingerprint, token: stale, request: aRequest() }])).toEqual([undefined]);
        expect(await outcomes([{ fingerprint }])).toEqual(['pending']);
        expect(await state.confirm([{ fingerprint, token, request }])).toEqual([expect.objectContaining({ count: 1 })]);
        expect(await state.confirm([{ fingerprint, token: stale, request: aRequest() }])).toEqual([undefined]);
        expect(await state.find([fingerprint])).toEqual([expect.objectContaining({ request })]);
      });

      it('can be repeated without counting, also when others have seen the fingerprint since', async () => {
        const fingerprint = aFingerprint();
        const request = aRequest();
        const token = await enter(fingerprint, request);
        await state.claim([{ fingerprint }]);
        expect(await state.confirm([{ fingerprint, token, request }])).toEqual([expect.objectContaining({ count: 2 })]);
        expect(await state.find([fingerprint])).toEqual([expect.objectContaining({ count: 2 })]);
      });

      it('answers at the index of the question', async () => {
        const [mine, theirs] = [aFingerprint(), aFingerprint()];
        const token = await hold({ fingerprint: mine });
        await hold({ fingerprint: theirs });
        const confirmed = await state.confirm(
          [theirs, mine].map((fingerprint) => ({
            fingerprint,
            token: fingerprint === mine ? token : 'stale',
            request: aRequest(),
          })),
        );
        expect(confirmed).toEqual([undefined, expect.objectContaining({ count: 1 })]);
      });
    });

    describe('release', () => {
      it('frees the fingerprint at once', async () => {
        const fingerprint = aFingerprint();
        await state.release([{ fingerprint, token: await hold({ fingerprint }) }]);
        expect(await outcomes([{ fingerprint }])).toEqual(['new']);
      });

      it("does not touch another's claim", async () => {
        const fingerprint = aFingerprint();
        const stale = await hold({ fingerprint });
        await subject.advance(subject.leaseMs + slackMs);
        await hold({ fingerprint });
        await state.release([{ fingerprint, token: stale }]);
        expect(await outcomes([{ fingerprint }])).toEqual(['pending']);
      });

      it('does not touch what is confirmed, not even by the token that confirmed it', async () => {
        const fingerprint = aFingerprint();
        const token = await enter(fingerprint, aRequest());
        await state.release([{ fingerprint, token }]);
        expect(await outcomes([{ fingerprint }])).toEqual(['duplicate']);
      });

      it('frees one whose object may appear, and tells of it until somebody knows more', async () => {
        const [claimed, confirmed, dropped] = [aFingerprint(), aFingerprint(), aFingerprint()];
        const tokens = new Map<string, string>();
        for (const fingerprint of [claimed, confirmed, dropped]) {
          const token = await hold({ fingerprint });
          tokens.set(fingerprint, token);
          await state.release([{ fingerprint, token, mayAppear: true }]);
        }
        expect(await state.find([claimed, confirmed, dropped])).toEqual(['uncertain', 'uncertain', 'uncertain']);
        const token = await hold({ fingerprint: claimed });
        expect(await state.find([claimed])).toEqual(['pending']);
        await state.release([{ fingerprint: claimed, token }]);
        const request = aRequest();
        const late = { fingerprint: confirmed, token: tokens.get(confirmed) ?? '', request };
        expect(await state.confirm([late])).toEqual([expect.objectContaining({ count: 1 })]);
        expect(await state.find([claimed, confirmed])).toEqual([undefined, expect.objectContaining({ request })]);
        expect(await outcomes([{ fingerprint: confirmed }])).toEqual(['duplicate']);
      });

      it('accepts a fingerprint that nobody holds', async () => {
        await expect(state.release([{ fingerprint: aFingerprint(), token: 'lapsed' }])).resolves.toBeUndefined();
      });
    });

    describe('find', () => {
      it('answers entries at their index, what is only claimed, and nothing for what is unknown', async () => {
        const [known, held, unknown] = [aFingerprint(), aFingerprint(), aFingerprint()];
        const request = aRequest();
        await enter(known, request);
        await hold({ fingerprint: held });
        expect(await state.find([unknown, known, held])).toEqual([
          undefined,
          { request, count: 1, firstSeen: expect.any(Number), lastSeen: expect.any(Number) },
          'pending',
        ]);
      });

      it('neither counts a sighting nor extends the life of an entry', async () => {
        const fingerprint = await inTime(subject.ttlMs, async () => {
          const entered = aFingerprint();
          await enter(entered, aRequest());
          await subject.advance(subject.ttlMs * 0.6);
          expect(await state.find([entered])).toEqual([expect.objectContaining({ count: 1 })]);
          return entered;
        });
        await subject.advance(subject.ttlMs * 0.6);
        expect(await state.find([fingerprint])).toEqual([undefined]);
      });
    });

    it('does nothing for an empty batch', async () => {
      expect(await state.claim([])).toEqual([]);
      expect(await state.confirm([])).toEqual([]);
      expect(await state.find([])).toEqual([]);
      await expect(state.release([])).resolves.toBeUndefined();
    });
  });
});
