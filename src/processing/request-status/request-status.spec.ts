import { setTimeout as delay } from 'node:timers/promises';
import { inTime } from '../../../test/support/a-processor';
import { aSignal } from '../../../test/support/a-signal';
import { eventually } from '../../../test/support/eventually';
import { FakeClock, noon } from '../../../test/support/fake-clock';
import {
  FakeRemediationRequestClient,
  FakeRemediationRequestIndex,
} from '../../../test/support/fake-remediation-requests';
import { RecordingLog } from '../../../test/support/recording-log';
import { KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import { toKnownRequest } from '../../kubernetes/known-request';
import { buildRemediationRequest } from '../../kubernetes/remediation-request.factory';
import type { Signal } from '../../signal/signal';
import type { RequestRef } from '../../request-ref';
import { StatusWriter } from '../status-writer';
import { RequestStatus } from './request-status';
import { sightingOf } from './sighting';

const classification = { environment: 'production', environmentSource: 'x', priority: 'P1', prioritySource: 'y' };
const seen = (count: number) => ({ count, firstSeen: noon, lastSeen: noon });

describe('RequestStatus', () => {
  let requests: FakeRemediationRequestClient;
  let index: FakeRemediationRequestIndex;
  let status: RequestStatus;
  let log: RecordingLog;
  let ref: RequestRef;
  const signal = aSignal({ senderFingerprint: 'a' });
  const of = (changes: Partial<Signal>) => sightingOf({ ...signal, ...changes });
  const note = (sightings = [sightingOf(signal)], count?: number) =>
    status.note(ref, index.get(ref), sightings, count === undefined ? undefined : seen(count), inTime);
  const written = () => requests.objects[0]?.status;
  const patches = () => requests.callsOf('patch').length;

  beforeEach(async () => {
    const clock = new FakeClock();
    requests = new FakeRemediationRequestClient(clock);
    index = new FakeRemediationRequestIndex(requests, clock);
    log = new RecordingLog();
    status = new RequestStatus(new StatusWriter(requests, index, clock), log);
    const firingAlerts = [{ fingerprint: 'a', startsAt: new Date(signal.startsAt).toISOString() }];
    const place = { namespace: 'prod', generation: 1 };
    const { metadata } = await requests.create(buildRemediationRequest(signal, classification, place, firingAlerts));
    ref = { namespace: 'prod', name: metadata.name! };
  });
  afterEach(() => status.flush(inTime));

  it('has written that a signal resolved when it answers', async () => {
    const after = await note([of({ status: 'resolved', endsAt: noon })]);
    expect(after?.resolvedSince).toBe(noon);
    expect(written()?.signal).toMatchObject({ state: 'Resolved', resolvedAt: '2025-10-04T12:00:00Z' });
  });

  it.each(['denied', 'invalid'] as const)(
    'gives up what is refused for good (%s), and says so once',
    async (failure) => {
      requests.failNext('patch', failure, 3);
      await expect(note([of({ status: 'resolved', endsAt: noon })])).rejects.toMatchObject({ failure });
      for (let count = 2; count < 4; count++) {
        await note(undefined, count);
        await eventually(() => expect(status.pendingCount).toBe(0));
      }
      expect(log.messages).toEqual(['status of a request is refused']);
      await note(undefined, 4);
      await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(4));
    },
  );

  it('tries what is refused for good no more often than it writes', async () => {
    requests.failNext('patch', 'invalid', 100);
    const end = performance.now() + 2_200;
    for (let count = 2; performance.now() < end; count++) {
      await note(undefined, count);
      await delay(50);
    }
    expect(patches()).toBeGreaterThan(1);
    expect(patches()).toBeLessThanOrEqual(3);
  });

  it('writes counts behind the caller, together, and as the last one says', async () => {
    for (let count = 2; count <= 50; count++) await note(undefined, count);
    expect(patches()).toBe(0);
    await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(50));
    expect(patches()).toBe(1);
  });

  it('writes counts of an object at most once a second', async () => {
    const times: number[] = [];
    const patch = requests.patchStatus.bind(requests);
    jest.spyOn(requests, 'patchStatus').mockImplementation((...args) => {
      times.push(performance.now());
      return patch(...args);
    });
    for (let count = 2; times.length < 3; count++) {
      await note(undefined, count);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const [first = 0, second = 0, third = 0] = times;
    // A timer may come a little early by this clock, never much.
    expect(Math.min(second - first, third - second)).toBeGreaterThan(990);
  });

  it('writes no more counts because senders wait for other things', async () => {
    await note(undefined, 2);
    await eventually(() => expect(patches()).toBe(1));
    for (let count = 3; count < 40; count++) {
      // Not known to be as it is: each asks anew, and there is nothing to write but the count.
      await Promise.all([
        status.note(ref, { ...index.get(ref)!, resolvedSince: noon }, [sightingOf(signal)], seen(count), inTime),
        note(undefined, count),
      ]);
    }
    expect(patches()).toBe(1);
    await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(39));
    expect(patches()).toBe(2);
  });

  it('has room for what a sender waits for, however many counts wait to be written', async () => {
    const known = index.get(ref);
    for (let i = 0; i < 12_000; i++)
      await status.note({ namespace: 'prod', name: `other-${i}` }, known, [sightingOf(signal)], seen(2), inTime);
    expect(status.pendingCount).toBe(5_000);
    expect((await note([of({ status: 'resolved', endsAt: noon })]))?.resolvedSince).toBe(noon);
  });

  it('reads the object again when somebody else changed it, and loses nothing of either', async () => {
    index.get(ref);
    index.mode = 'lagging';
    requests.touch(ref, { overallPhase: 'Executing' });
    await note([of({ status: 'resolved' })]);
    expect(written()).toMatchObject({ overallPhase: 'Executing', signal: { state: 'Resolved' } });
    expect(requests.callsOf('get')).toHaveLength(1);
  });

  it('reads the object before it says of what resolved that nothing is to be written, whatever was known when it was told', async () => {
    await note([of({ status: 'resolved', endsAt: noon })]);
    index.get(ref);
    index.mode = 'lagging';
    const firing = { state: 'Firing', firingAlerts: [{ fingerprint: 'a', startsAt: '2025-10-04T12:00:01Z' }] } as const;
    requests.touch(ref, { signal: firing });
    const known = toKnownRequest(requests.objects[0]!, noon);
    const resolved = of({ status: 'resolved', startsAt: noon + 1_000, endsAt: noon + 2_000 });
    await status.note(ref, known, [resolved], undefined, inTime);
    expect(written()?.signal).toMatchObject({ state: 'Resolved' });
  });

  it('reads the object for what resolved beside an alert that fires, when the watch does not show it yet', async () => {
    const known = index.get(ref);
    index.mode = 'lagging';
    const alert = (fingerprint: string) => ({ fingerprint, startsAt: new Date(signal.startsAt).toISOString() });
    requests.touch(ref, { signal: { state: 'Firing', firingAlerts: [alert('a'), alert('b')] } });
    const sightings = [of({ senderFingerprint: 'b', status: 'resolved', endsAt: noon }), sightingOf(signal)];
    await status.note(ref, known, sightings, undefined, inTime);
    expect(written()?.signal?.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['a']);
  });

  it('gives up on an object that changes all the time', async () => {
    requests.failNext('patch', 'conflict', 12);
    await expect(note([of({ status: 'resolved' })])).rejects.toMatchObject({ failure: 'conflict' });
  });

  it('fails when what must be written cannot be', async () => {
    requests.failNext('patch', 'unavailable');
    await expect(note([of({ status: 'resolved' })])).rejects.toBeInstanceOf(KubernetesApiError);
    expect(log.messages).toEqual(['status of requests cannot be written now']);
  });

  it('keeps counts that could not be written, and writes them later', async () => {
    requests.failNext('patch', 'unavailable');
    await note(undefined, 7);
    await eventually(() => expect(patches()).toBe(1));
    await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(7));
    expect(log.messages).toEqual(['status of requests cannot be written now', 'status of requests is written again']);
  });

  it('does not wait longer and longer while it is told more', async () => {
    requests.failNext('patch', 'unavailable', 6);
    for (let count = 2; written()?.deduplication === undefined; count++) {
      await note(undefined, count);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(patches()).toBe(7);
  });

  it('does not keep what it refused: its sender comes again, and may say something else by then', async () => {
    await note([of({ status: 'resolved', endsAt: noon })]);
    requests.failNext('patch', 'unavailable');
    await expect(note([of({ startsAt: noon + 1_000 })], 7)).rejects.toMatchObject({ failure: 'unavailable' });
    await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(7));
    expect(written()?.signal?.state).toBe('Resolved');
  });

  it('keeps what it was told of a request that could not be read, until it can be', async () => {
    requests.failNext('get', 'unavailable');
    index.mode = 'cold';
    await status.note(ref, undefined, [of({ status: 'firing', senderFingerprint: 'b' })], seen(2), inTime);
    await eventually(() =>
      expect(written()?.signal?.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'b']),
    );
  });

  it('knows nothing of an object that was deleted in between', async () => {
    const known = index.get(ref);
    index.mode = 'lagging';
    requests.delete(ref);
    expect(await status.note(ref, known, [of({ status: 'resolved' })], undefined, inTime)).toBeUndefined();
  });

  it('writes changes of one object one after the other', async () => {
    const release = requests.holdCreates();
    const resolving = note([of({ status: 'resolved', endsAt: noon })]);
    const firing = note([of({ status: 'firing', startsAt: noon + 1_000 })]);
    release();
    expect([(await resolving)?.resolvedSince, (await firing)?.resolvedSince]).toEqual([noon, undefined]);
    expect(written()?.signal).toMatchObject({ state: 'Firing' });
  });

  it('does not tell a request what resolved, when its next generation carries that by now', async () => {
    requests.finish(ref);
    await note([sightingOf(signal)]);
    index.values();
    index.mode = 'lagging';
    requests.touch(ref, { signal: { state: 'Firing', firingAlerts: requests.objects[0]?.spec.firingAlerts ?? [] } });
    await expect(note([of({ status: 'resolved' })])).rejects.toMatchObject({ failure: 'conflict' });
    expect(written()?.signal?.state).toBe('Firing');
    // Not yet, for all that is known.
    requests.touch(ref, {
      signal: { ...written()?.signal, state: 'Firing', recurredAt: new Date(noon).toISOString() },
    });
    index.mode = 'current';
    expect(await note([of({ status: 'resolved' })])).toMatchObject({ resolvedSince: expect.any(Number) });
  });

  it('writes what is open when it is told to end', async () => {
    await note(undefined, 9);
    await status.flush(inTime);
    expect(written()?.deduplication?.occurrenceCount).toBe(9);
    expect(status.pendingCount).toBe(0);
  });

  it('writes at the end what was seen since the last write, however short ago that was', async () => {
    await note(undefined, 8);
    await eventually(() => expect(written()?.deduplication?.occurrenceCount).toBe(8));
    await note(undefined, 9);
    await status.flush(inTime);
    expect(written()?.deduplication?.occurrenceCount).toBe(9);
  });

  it('writes at the end what came while a write was under way', async () => {
    const gate = Promise.withResolvers<void>();
    const patch = requests.patchStatus.bind(requests);
    const patched = jest.spyOn(requests, 'patchStatus').mockImplementationOnce(async (...args) => {
      await gate.promise;
      return patch(...args);
    });
    await note(undefined, 8);
    await eventually(() => expect(patched).toHaveBeenCalledTimes(1));
    await note(undefined, 9);
    const flushed = status.flush(inTime);
    gate.resolve();
    await flushed;
    expect(written()?.deduplication?.occurrenceCount).toBe(9);
  });

  it('writes many at the end a few at a time, and what is more than a count first', async () => {
    const places = Array.from({ length: 60 }, (_, i) => ({ namespace: 'prod', name: `r-${i}` }));
    const patched: string[] = [];
    let [underWay, most] = [0, 0];
    const known = index.get(ref);
    jest.spyOn(index, 'get').mockReturnValue(known);
    jest.spyOn(requests, 'patchStatus').mockImplementation(async ({ name }) => {
      patched.push(name);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay--;
      return requests.objects[0]!;
    });
    for (const place of places.slice(0, 59)) status.noteBehind(place, known, [sightingOf(signal)], seen(9));
    // The watch does not show it: its alerts are kept for when it does.
    status.noteBehind(places[59]!, undefined, [of({ senderFingerprint: 'b' })], undefined);
    await status.flush(inTime);
    expect(patched).toHaveLength(60);
    expect(patched[0]).toBe('r-59');
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
  });
});
