import { aKnownRequest } from '../../../test/support/a-known-request';
import { aProcessor, aState, cooldownMs, inTime } from '../../../test/support/a-processor';
import { aSignal, signalsOfPods } from '../../../test/support/a-signal';
import { FakeClock, noon } from '../../../test/support/fake-clock';
import type {
  FakeRemediationRequestClient,
  FakeRemediationRequestIndex,
} from '../../../test/support/fake-remediation-requests';
import { KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import { buildRemediationRequest } from '../../kubernetes/remediation-request.factory';
import type { Signal } from '../../signal/signal';
import { StateUnavailableError } from '../../state/signal-state';
import type { RequestRef } from '../../request-ref';
import type { EmbeddedSignalState } from '../../state/embedded/embedded-signal-state';
import type { CarriedSignal, Deduplication, FreshSignal } from './deduplication';

const classification = { environment: 'production', environmentSource: 'x', priority: 'P1', prioritySource: 'y' };
/** Longer than a watch may lag behind a create. */
const aWhile = 3_000;
const signal = aSignal();

describe('Deduplication', () => {
  let clock: FakeClock;
  let requests: FakeRemediationRequestClient;
  let index: FakeRemediationRequestIndex;
  let state: EmbeddedSignalState;
  let deduplication: Deduplication;

  beforeEach(() => {
    clock = new FakeClock();
    state = aState(clock);
    ({ deduplication, requests, index } = aProcessor(clock, undefined, state));
  });
  afterEach(() => state.close());

  async function claim(...signals: Signal[]) {
    const claims = await deduplication.claim(signals, inTime);
    expect(claims).toHaveLength(signals.length);
    const sorted = {
      duplicates: new Map<Signal, CarriedSignal>(),
      fresh: [] as FreshSignal[],
      pending: [] as Signal[],
      failed: new Map<Signal, unknown>(),
    };
    for (const [i, signal] of signals.entries()) {
      const one = claims[i]!;
      if (one.kind === 'carried') sorted.duplicates.set(signal, one);
      else if (one.kind === 'fresh') sorted.fresh.push(one);
      else if (one.kind === 'pending') sorted.pending.push(signal);
      else sorted.failed.set(signal, one.error);
    }
    return sorted;
  }
  /** Claims, creates and settles, as the processor does with a new signal. */
  async function enter(of: Signal = signal, generation = 1): Promise<RequestRef> {
    const { fresh } = await claim(of);
    const request = buildRemediationRequest(of, classification, { namespace: of.namespace, generation });
    const { metadata } = await requests.create(request);
    const ref = { namespace: metadata.namespace!, name: metadata.name! };
    await deduplication.settle(fresh.map((one) => ({ fresh: one, request: ref })));
    return ref;
  }
  const sorted = ({ duplicates, fresh, pending }: Awaited<ReturnType<typeof claim>>) => [
    duplicates.size,
    fresh.length,
    pending.length,
  ];

  describe('claim', () => {
    it('sorts what is known, new, and being created by somebody', async () => {
      const [known, fresh, busy] = signalsOfPods('known', 'fresh', 'busy');
      await enter(known);
      await claim(busy!);
      const claimed = await claim(known!, fresh!, busy!);
      expect([...claimed.duplicates.keys()]).toEqual([known]);
      expect(claimed.fresh.map((one) => one.signal)).toEqual([fresh]);
      expect(claimed.pending).toEqual([busy]);
    });

    it('counts a duplicate and says since when it is known', async () => {
      const request = await enter();
      clock.advance(90_000);
      expect((await claim(signal)).duplicates.get(signal)?.outcome).toMatchObject({
        status: 'duplicate',
        reason: 'known',
        fingerprint: signal.fingerprint,
        request,
        count: 2,
        firstSeen: noon,
        lastSeen: noon + 90_000,
      });
    });

    it('costs no call while the watch shows the object', async () => {
      await enter();
      clock.advance(aWhile);
      requests.calls.length = 0;
      await claim(signal);
      expect(requests.calls).toEqual([]);
    });

    it('says duplicate of a live object, however old', async () => {
      await enter();
      for (let hour = 0; hour < 24; hour++) {
        clock.advance(299_000);
        expect(sorted(await claim(signal))).toEqual([1, 0, 0]);
      }
    });

    it('says duplicate while the object cools down, and new after that', async () => {
      requests.finish(await enter());
      for (let age = 0; age < cooldownMs; age += 10_000) {
        expect(sorted(await claim(signal))).toEqual([1, 0, 0]);
        clock.advance(10_000);
      }
      expect(sorted(await claim(signal))).toEqual([0, 1, 0]);
    });

    it.each(['current', 'lagging', 'cold'] as const)(
      'says new when the object was deleted, the watch being %s',
      async (mode) => {
        index.mode = 'current';
        const request = await enter();
        clock.advance(aWhile);
        requests.delete(request);
        index.mode = mode;
        expect(sorted(await claim(signal))).toEqual([0, 1, 0]);
      },
    );

    it('says new when the object was deleted at once, however young the entry is', async () => {
      index.mode = 'lagging';
      requests.delete(await enter());
      expect(sorted(await claim(signal))).toEqual([0, 1, 0]);
    });

    it('looks for an object that the watch does not show', async () => {
      index.mode = 'lagging';
      const { namespace, name } = await enter();
      clock.advance(aWhile);
      expect(sorted(await claim(signal))).toEqual([1, 0, 0]);
      expect(requests.callsOf('get')).toEqual([`get ${namespace}/${name}`]);
    });

    it.each(['forbidden', 'crd-unusable', 'unauthenticated'] as const)(
      'fails the signal when the API server answers "%s": that is no word on its request',
      async (failure) => {
        index.mode = 'cold';
        await enter();
        clock.advance(aWhile);
        requests.failNext('get', failure);
        const claimed = await claim(signal);
        expect(sorted(claimed)).toEqual([0, 0, 0]);
        expect(claimed.failed.get(signal)).toMatchObject({ failure });
      },
    );

    it.each(['unavailable', 'overloaded'] as const)(
      'believes the entry while the API server is silent ("%s")',
      async (failure) => {
        index.mode = 'cold';
        await enter();
        clock.advance(aWhile);
        requests.failNext('get', failure);
        expect(sorted(await claim(signal))).toEqual([1, 0, 0]);
      },
    );

    it('forgets an entry that was not seen for its life', async () => {
      await enter();
      clock.advance(300_001);
      expect(sorted(await claim(signal))).toEqual([0, 1, 0]);
    });

    it('fails as the memory fails', async () => {
      jest.spyOn(state, 'claim').mockRejectedValueOnce(new StateUnavailableError('down'));
      await expect(claim(signal)).rejects.toBeInstanceOf(StateUnavailableError);
      expect(deduplication.inFlightCount).toBe(0);
    });

    it('loses no claim when the memory fails between asking and asking again', async () => {
      const [old, fresh] = signalsOfPods('old', 'fresh');
      requests.finish(await enter(old));
      clock.advance(cooldownMs - 10_000);
      await claim(old!);
      clock.advance(10_000);
      const claimOfState = state.claim.bind(state);
      jest
        .spyOn(state, 'claim')
        .mockImplementationOnce(claimOfState)
        .mockRejectedValueOnce(new StateUnavailableError('down'));
      const claimed = await claim(old!, fresh!);
      expect(claimed.fresh.map((one) => one.signal)).toEqual([fresh]);
      expect(claimed.pending).toEqual([old]);
    });
  });

  describe('settle', () => {
    it('gives a claim back when nothing came of it', async () => {
      const { fresh } = await claim(signal);
      await deduplication.settle(fresh.map((one) => ({ fresh: one })));
      expect(sorted(await claim(signal))).toEqual([0, 1, 0]);
    });

    it('adds this sighting to what was known of an object that was found', async () => {
      const { fresh } = await claim(signal);
      const known = aKnownRequest({ fingerprint: signal.fingerprint, name: 'x' });
      const occurrences = { count: 41, firstSeen: noon - 50_000, lastSeen: noon - 10_000 };
      const request = { namespace: 'prod', name: 'x' };
      const answer = await deduplication.settle([{ fresh: fresh[0]!, request, known: { ...known, occurrences } }]);
      expect(answer).toEqual([{ count: 42, firstSeen: noon - 50_000, lastSeen: noon }]);
    });

    it('takes an object of which nothing is counted for one sighting at its creation', async () => {
      const { fresh } = await claim(signal);
      const known = aKnownRequest({ fingerprint: signal.fingerprint, name: 'x' });
      const answer = await deduplication.settle([
        { fresh: fresh[0]!, request: { namespace: 'prod', name: 'x' }, known },
      ]);
      expect(answer).toEqual([{ count: 2, firstSeen: noon - 60_000, lastSeen: noon }]);
    });

    it('answers at the index of the question', async () => {
      const { fresh } = await claim(...signalsOfPods('a', 'b', 'c'));
      const request = { namespace: 'prod', name: 'x' };
      const answer = await deduplication.settle([
        { fresh: fresh[0]! },
        { fresh: fresh[1]!, request },
        { fresh: fresh[2]! },
      ]);
      expect(answer.map((one) => one?.count)).toEqual([undefined, 1, undefined]);
    });

    it.each(['confirm', 'release'] as const)(
      'does not fail when the memory cannot %s, and frees who waits',
      async (operation) => {
        const { fresh } = await claim(...signalsOfPods('a', 'b'));
        jest.spyOn(state, operation).mockRejectedValue(new StateUnavailableError('down'));
        const freed = deduplication.whenFreed(
          fresh.map((one) => one.signal),
          0,
          inTime,
        );
        await deduplication.settle([
          { fresh: fresh[0]!, request: { namespace: 'prod', name: 'a' } },
          { fresh: fresh[1]! },
        ]);
        await expect(freed).resolves.toBeUndefined();
        expect(deduplication.inFlightCount).toBe(0);
      },
    );
  });

  describe('whenFreed', () => {
    it('waits for those who settle it in this process', async () => {
      const { fresh } = await claim(signal);
      const order: string[] = [];
      const freed = deduplication.whenFreed([signal], 0, inTime).then(() => order.push('freed'));
      await new Promise((resolve) => setImmediate(resolve));
      order.push('settled');
      await deduplication.settle(fresh.map((one) => ({ fresh: one })));
      await freed;
      expect(order).toEqual(['settled', 'freed']);
    });

    it('ends after a pause for what another replica holds', async () => {
      await expect(deduplication.whenFreed([signal], 0, inTime)).resolves.toBeUndefined();
    });

    it('fails at the deadline', async () => {
      await claim(signal);
      const deadline = new AbortController();
      const freed = deduplication.whenFreed([signal], 0, deadline.signal);
      deadline.abort();
      await expect(freed).rejects.toThrow('the deadline has passed');
    });
  });

  describe('standing', () => {
    it('finds in the cluster what the memory has forgotten', async () => {
      const request = await enter();
      clock.advance(3_600_000);
      expect(await deduplication.standing(signal, inTime)).toMatchObject({
        kind: 'carried',
        request,
        reason: 'live_request',
      });
    });

    it('asks the API server while the watch is cold, and fails as it fails', async () => {
      await enter();
      index.mode = 'cold';
      expect(await deduplication.standing(signal, inTime)).toMatchObject({ kind: 'carried' });
      requests.failNext('list', 'unavailable');
      await expect(deduplication.standing(signal, inTime)).rejects.toBeInstanceOf(KubernetesApiError);
    });

    it('lets a later generation carry what an earlier one, now deleted, began', async () => {
      const first = await enter();
      requests.finish(first);
      clock.advance(cooldownMs);
      const second = await enter(signal, 2);
      requests.delete(first);
      expect(await deduplication.standing(signal, inTime)).toMatchObject({ kind: 'carried', request: second });
    });
  });

  describe('latestOf', () => {
    it('names the request of each incident, and none where there is none, without counting', async () => {
      const [known, unknown] = signalsOfPods('known', 'unknown');
      const request = await enter(known);
      expect(await deduplication.latestOf([unknown!, known!], inTime)).toMatchObject([undefined, request]);
      expect((await claim(known!)).duplicates.get(known!)?.outcome.count).toBe(2);
    });

    it('believes the memory about what the watch does not show yet', async () => {
      index.mode = 'lagging';
      const request = await enter();
      expect(await deduplication.latestOf([signal], inTime)).toMatchObject([request]);
    });
  });
});
