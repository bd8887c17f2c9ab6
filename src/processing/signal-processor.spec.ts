import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { array, assert, asyncProperty, boolean, constantFrom, integer, tuple } from 'fast-check';
import { aProcessor, aState, cooldownMs, fallbackNamespace, inTime } from '../../test/support/a-processor';
import { aSignal, signalsOfPods } from '../../test/support/a-signal';
import { FakeClock, noon } from '../../test/support/fake-clock';
import { FakeRemediationRequestClient } from '../../test/support/fake-remediation-requests';
import { eventually } from '../../test/support/eventually';
import { until } from '../../test/support/until';
import { deadlineIn } from '../deadline';
import { KubernetesApiError, type KubernetesFailure } from '../kubernetes/kubernetes-api.error';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { InvalidSignal, type Signal } from '../signal/signal';
import { StateUnavailableError, type Claim, type ClaimRequest, type SignalState } from '../state/signal-state';
import type { SignalOutcome } from './signal-outcome';

type Replica = ReturnType<typeof aProcessor>;
type Entry = Signal | InvalidSignal;

/** Longer than a watch may lag behind a create. */
const aWhile = 3_000;
const bad = new InvalidSignal('prometheus', ['alertname is required'], "missing required field 'alertname'");
const pod = (name: string, overrides: Partial<Signal> = {}) =>
  aSignal({ resource: { kind: 'Pod', name, apiVersion: 'v1' }, ...overrides });
const resolvedPod = (name: string) => pod(name, { status: 'resolved' });

describe('SignalProcessor', () => {
  let clock: FakeClock;
  let requests: FakeRemediationRequestClient;
  let replica: Replica;

  beforeEach(() => {
    clock = new FakeClock();
    requests = new FakeRemediationRequestClient(clock);
    replica = aProcessor(clock, requests);
  });

  const process = (...entries: Entry[]) => replica.send(entries, inTime);
  const statuses = (outcomes: readonly SignalOutcome[]) => outcomes.map(({ status }) => status);
  const fingerprintOf = (outcome: SignalOutcome) => ('fingerprint' in outcome ? outcome.fingerprint : undefined);
  const reasons = (outcomes: readonly SignalOutcome[]) => outcomes.map(({ status, reason }) => `${status}: ${reason}`);
  const firstRequest = () => {
    const { namespace = '', name = '' } = requests.objects[0]!.metadata;
    return { namespace, name };
  };

  describe('of one signal', () => {
    it('creates its request and says what was decided', async () => {
      const signal = aSignal();
      expect(await process(signal)).toEqual([
        {
          status: 'created',
          reason: 'new',
          fingerprint: signal.fingerprint,
          request: {
            namespace: 'prod-payment-service',
            name: `remediation-highmemoryusage-${signal.fingerprint.slice(0, 6)}`,
          },
          environment: 'production',
          environmentSource: 'namespace_label',
          priority: 'P1',
          prioritySource: 'fallback_table',
          count: 1,
          firstSeen: noon,
          lastSeen: noon,
        },
      ]);
      expect(requests.objects).toHaveLength(1);
    });

    it('counts it again and again, and creates nothing more', async () => {
      await process(aSignal());
      for (let i = 2; i <= 100; i++) {
        clock.advance(10_000);
        expect(await process(aSignal())).toMatchObject([
          { status: 'duplicate', count: i, firstSeen: noon, lastSeen: clock.now() },
        ]);
      }
      expect(requests.callsOf('create')).toHaveLength(1);
    });

    it.each([
      ['its severity', aSignal({ severity: 'info' })],
      ['when it began', aSignal({ startsAt: noon - 3_600_000 })],
      ['its annotations', aSignal({ annotations: { description: 'Pod using 96% memory' } })],
      ['the identity that its sender gives it', aSignal({ senderFingerprint: '57ff12e4fd08ddea' })],
    ])('takes it for the same incident when only %s differs', async (_, other) => {
      await process(aSignal());
      expect(statuses(await process(other))).toEqual(['duplicate']);
      expect(requests.objects).toHaveLength(1);
    });

    it('takes it for a duplicate when the memory has forgotten it and its object is live', async () => {
      await process(aSignal());
      clock.advance(24 * 3_600_000);
      expect(reasons(await process(aSignal()))).toEqual(['duplicate: live_request']);
    });

    it('sets off a heartbeat and creates nothing', async () => {
      expect(await process(aSignal({ name: 'Watchdog' }))).toMatchObject([
        { status: 'heartbeat', reason: 'heartbeat' },
      ]);
      expect(requests.calls).toEqual([]);
    });

    it('answers nothing to nothing', async () => {
      expect(await process()).toEqual([]);
    });
  });

  describe('of several signals in one webhook', () => {
    it.each([0, 1, 2])('processes the siblings of a bad one at position %i', async (position) => {
      const entries: Entry[] = [pod('a'), pod('b')];
      entries.splice(position, 0, bad);
      const outcomes = await process(...entries);
      expect(statuses(outcomes)).toEqual(entries.map((entry) => (entry === bad ? 'rejected' : 'created')));
      expect(outcomes[position]).toEqual({
        status: 'rejected',
        reason: 'invalid',
        summary: "missing required field 'alertname'",
        details: ['alertname is required'],
      });
    });

    it('answers each at its place, whatever became of it', async () => {
      await process(pod('known'));
      const outcomes = await process(
        pod('new'),
        bad,
        resolvedPod('known'),
        pod('known'),
        aSignal({ name: 'Watchdog' }),
        resolvedPod('never-seen'),
        pod('new'),
      );
      expect(reasons(outcomes)).toEqual([
        'created: new',
        'rejected: invalid',
        'resolved: still_firing',
        'duplicate: known',
        'heartbeat: heartbeat',
        'resolved: no_request',
        'duplicate: same_webhook',
      ]);
    });

    it('creates one request of an incident that stands there twice', async () => {
      const [first, second] = await process(pod('a'), pod('a', { severity: 'warning' }));
      expect([first?.status, second?.status]).toEqual(['created', 'duplicate']);
      expect(second).toMatchObject({ request: (first as { request?: unknown }).request });
      expect(requests.objects).toHaveLength(1);
    });

    it('has the most severe stand for those of one incident', async () => {
      const outcomes = await process(
        pod('a', { severity: 'info', senderFingerprint: 'a' }),
        pod('a', { severity: 'critical', senderFingerprint: 'b' }),
        pod('a', { severity: 'warning', senderFingerprint: 'c' }),
      );
      expect(reasons(outcomes)).toEqual(['duplicate: same_webhook', 'created: new', 'duplicate: same_webhook']);
      expect(requests.objects).toMatchObject([{ spec: { severity: 'critical', priority: 'P1' } }]);
      const firing = requests.objects[0]?.spec.firingAlerts?.map(({ fingerprint }) => fingerprint);
      expect(firing).toEqual(['a', 'b', 'c']);
    });

    it('fails both of one incident together, and the sender may try both again', async () => {
      requests.failNext('create', 'unavailable');
      expect(statuses(await process(pod('a'), pod('a')))).toEqual(['failed', 'failed']);
      expect(statuses(await process(pod('a'), pod('a')))).toEqual(['created', 'duplicate']);
    });

    it('makes ten requests of a group that grows one by one', async () => {
      const pods = signalsOfPods(...Array.from({ length: 10 }, (_, i) => `pod-${i}`));
      for (let size = 1; size <= 10; size++) await process(...pods.slice(0, size));
      expect(requests.callsOf('create')).toHaveLength(10);
    });

    it('processes thousands in order, drawn as they are needed, few creates at a time', async () => {
      const pods = signalsOfPods(...Array.from({ length: 1_200 }, (_, i) => `pod-${i}`));
      let drawn = 0;
      const release = requests.holdCreates();
      const processing = replica.send(
        (function* () {
          for (const one of pods) {
            drawn++;
            yield one;
          }
        })(),
        inTime,
      );
      await until(() => requests.calls.length > 0);
      expect(drawn).toBe(500);
      release();
      const outcomes = await processing;
      expect(outcomes.map(fingerprintOf)).toEqual(pods.map(({ fingerprint }) => fingerprint));
      expect(new Set(statuses(outcomes))).toEqual(new Set(['created']));
      expect(requests.peakCreates).toBe(16);
    });
  });

  describe('of resolved signals', () => {
    it.each([
      ['this replica', () => replica],
      ['another one', () => aProcessor(clock, requests, replica.state)],
    ])('waits for the request that %s is creating', async (_, creating) => {
      const release = requests.holdCreates();
      const firing = creating().send([pod('a')], inTime);
      await until(() => requests.callsOf('create').length === 1);
      const resolving = process(resolvedPod('a'));
      await setImmediate();
      release();
      expect(statuses(await firing)).toEqual(['created']);
      expect(reasons(await resolving)).toEqual(['resolved: resolved']);
      expect(requests.objects[0]?.status?.signal?.state).toBe('Resolved');
    });

    it('leaves to the sender what waits for a create that does not end', async () => {
      await replica.state.claim([{ fingerprint: pod('a').fingerprint }]);
      const deadline = new AbortController();
      await process(pod('b'));
      const resolving = replica.send([resolvedPod('a'), resolvedPod('b')], deadline.signal);
      // It holds up nothing else.
      await until(() => requests.objects[0]?.status?.signal?.state === 'Resolved');
      deadline.abort();
      expect(reasons(await resolving)).toEqual(['failed: deadline_exceeded', 'resolved: resolved']);
    });

    it('never creates, and names the request that it had', async () => {
      expect(reasons(await process(resolvedPod('a')))).toEqual(['resolved: no_request']);
      const [created] = await process(pod('a'));
      expect(await process(resolvedPod('a'))).toMatchObject([
        { status: 'resolved', reason: 'resolved', request: (created as { request?: unknown }).request },
      ]);
      expect(await process(resolvedPod('a'))).toMatchObject([{ status: 'resolved' }]);
      expect(requests.callsOf('create')).toHaveLength(1);
    });

    it.each(['before', 'after'])('lets firing win that stands %s it in the same webhook', async (where) => {
      const entries = where === 'before' ? [pod('a'), resolvedPod('a')] : [resolvedPod('a'), pod('a')];
      const outcomes = await process(...entries);
      expect(new Set(reasons(outcomes))).toEqual(new Set(['created: new', 'resolved: still_firing']));
      expect(requests.objects).toHaveLength(1);
    });

    it('is said again by its sender while nobody knows whether its request will be there', async () => {
      const create = requests.create.bind(requests);
      let applied: (() => Promise<unknown>) | undefined;
      const unanswered = new KubernetesApiError('unavailable', 'no answer from the API server: timeout');
      requests.create = (...args) => {
        applied ??= () => create(...args);
        return Promise.reject(unanswered);
      };
      expect(reasons(await process(pod('a')))).toEqual(['failed: kubernetes_unavailable']);
      const other = aProcessor(clock, requests, replica.state);
      expect(reasons(await other.send([resolvedPod('a')]))).toEqual(['failed: kubernetes_unavailable']);
      await applied?.();
      expect(reasons(await other.send([resolvedPod('a')]))).toEqual(['resolved: resolved']);
    });

    it('that was refused, and can have no request, needs none', async () => {
      requests.failNext('create', 'quota-exceeded');
      expect(reasons(await process(pod('a')))).toEqual(['failed: quota_exceeded']);
      expect(reasons(await process(resolvedPod('a')))).toEqual(['resolved: no_request']);
    });

    it('does not count a resolved one as a sighting', async () => {
      await process(pod('a'));
      await process(resolvedPod('a'));
      expect(await process(pod('a'))).toMatchObject([{ count: 2 }]);
    });

    it('makes one request of an alert that flaps', async () => {
      for (let i = 0; i < 20; i++) {
        await process(i % 2 === 0 ? pod('a') : resolvedPod('a'));
        clock.advance(30_000);
      }
      expect(requests.objects).toHaveLength(1);
    });

    it('lets the sender try again when it cannot be known what had a request', async () => {
      replica.index.mode = 'cold';
      requests.failNext('list', 'unavailable');
      expect(reasons(await process(resolvedPod('a')))).toEqual(['failed: kubernetes_unavailable']);
    });
  });

  describe('of callers that may send for some namespaces', () => {
    beforeEach(() => replica.reviews.namespacesOf.set('alertmanager', ['shop']));

    it('takes what may be sent, refuses the rest, and claims nothing of that', async () => {
      const outcomes = await process(pod('a', { namespace: 'shop' }), pod('b', { namespace: 'bank' }), bad);
      expect(reasons(outcomes)).toEqual(['created: new', 'rejected: forbidden', 'rejected: invalid']);
      expect(outcomes[1]).toMatchObject({ details: [expect.stringContaining("for namespace 'bank'")] });
      expect(requests.objects).toHaveLength(1);
      replica.reviews.namespacesOf.delete('alertmanager');
      clock.advance(30_001);
      expect(reasons(await process(pod('b', { namespace: 'bank' })))).toEqual(['created: new']);
    });

    it('refuses resolved signals and heartbeats as well', async () => {
      const heartbeat = aSignal({ name: 'Watchdog', namespace: 'bank' });
      const outcomes = await process(resolvedPod('a'), heartbeat);
      expect(reasons(outcomes)).toEqual(['rejected: forbidden', 'rejected: forbidden']);
    });

    it('takes what no namespace has for one of the fallback namespace as well, whatever it names', async () => {
      const node = aSignal({ namespace: 'shop', resource: { kind: 'Node', name: 'worker-1' } });
      const [outcome] = await process(node);
      expect(outcome).toMatchObject({ reason: 'forbidden', details: [expect.stringContaining('kubernaut-system')] });
      expect(requests.objects).toHaveLength(0);
      replica.reviews.namespacesOf.set('alertmanager', ['kubernaut-system']);
      // For so long it is remembered what it may.
      clock.advance(300_001);
      expect(await process(node)).toMatchObject([{ details: [expect.stringContaining("'shop'")] }]);
      replica.reviews.namespacesOf.set('alertmanager', ['shop', 'kubernaut-system']);
      clock.advance(30_001);
      expect(reasons(await process(node))).toEqual(['created: new']);
      expect(requests.objects[0]?.metadata.namespace).toBe('shop');
    });

    it('takes a signal without a namespace for one of the fallback namespace', async () => {
      const [outcome] = await process(aSignal({ namespace: '' }));
      expect(outcome).toMatchObject({ reason: 'forbidden', details: [expect.stringContaining('kubernaut-system')] });
    });

    it('lets the sender try again while it cannot be known', async () => {
      replica.reviews.failNext('unavailable');
      const outcomes = await process(pod('a', { namespace: 'shop' }), bad);
      expect(reasons(outcomes)).toEqual(['failed: authorization_unavailable', 'rejected: invalid']);
      expect(reasons(await process(pod('a', { namespace: 'shop' })))).toEqual(['created: new']);
    });

    it('takes the signals of other namespaces while it cannot be known of one', async () => {
      await process(pod('z', { namespace: 'bank' }));
      replica.reviews.failNext('unavailable');
      replica.reviews.namespacesOf.set('alertmanager', ['shop', 'cart']);
      const [cart, shop, bank] = ['cart', 'shop', 'bank'].map((namespace) => pod('a', { namespace }));
      expect(reasons(await process(cart!, shop!, bank!))).toEqual([
        'failed: authorization_unavailable',
        'created: new',
        'rejected: forbidden',
      ]);
      expect(reasons(await process(cart!, shop!))).toEqual(['created: new', 'duplicate: known']);
    });
  });

  describe('writes to the request that carries a signal', () => {
    const status = () => requests.objects[0]?.status?.signal;
    const a = pod('a', { senderFingerprint: 'a' });
    const b = pod('a', { senderFingerprint: 'b' });
    const over = (signal: Signal) => ({ ...signal, status: 'resolved' }) as const;

    it('that it resolved, and that it fires again', async () => {
      await process(a);
      expect(reasons(await process(over(a)))).toEqual(['resolved: resolved']);
      expect(status()).toMatchObject({ state: 'Resolved' });
      expect(reasons(await process(a))).toEqual(['duplicate: known']);
      expect(status()).toMatchObject({ state: 'Firing' });
    });

    it('that one of two containers resolved, and then the other', async () => {
      await process(a, b);
      expect(requests.objects[0]?.spec.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'b']);
      expect(reasons(await process(over(a)))).toEqual(['resolved: still_firing']);
      expect(status()).toMatchObject({ state: 'Firing', firingAlerts: [{ fingerprint: 'b' }] });
      expect(reasons(await process(over(b)))).toEqual(['resolved: resolved']);
    });

    it('that a second container fires, though the first one made the request', async () => {
      await process(a);
      await process(b);
      expect(status()?.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'b']);
    });

    it('that one resolved while the other fires in the same webhook', async () => {
      await process(a, b);
      expect(reasons(await process(over(a), b))).toEqual(['resolved: still_firing', 'duplicate: known']);
      expect(status()?.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['b']);
    });

    it('a higher severity at once, and nothing of a lower one', async () => {
      await process({ ...a, severity: 'warning' });
      await process({ ...a, severity: 'critical' });
      expect(status()).toMatchObject({ severity: 'critical' });
      const patches = requests.callsOf('patch').length;
      await process({ ...a, severity: 'info' });
      expect(requests.callsOf('patch')).toHaveLength(patches);
    });

    it('nothing at once when all is known: counting costs the sender no call', async () => {
      await process(a, b);
      requests.calls.length = 0;
      for (let i = 0; i < 10; i++) await process(a, b);
      expect(requests.calls).toEqual([]);
    });

    it('lets the sender try again what could not be written', async () => {
      await process(a);
      requests.failNext('patch', 'unavailable');
      expect(reasons(await process(over(a)))).toEqual(['failed: kubernetes_unavailable']);
      expect(reasons(await process(over(a)))).toEqual(['resolved: resolved']);
    });

    it('lets the sender try again when the request was deleted meanwhile, and makes a new one then', async () => {
      await process(a);
      await process(over(a));
      replica.index.get(firstRequest());
      replica.index.mode = 'lagging';
      requests.delete(firstRequest());
      expect(reasons(await process(a))).toEqual(['failed: kubernetes_conflict']);
      replica.index.mode = 'current';
      expect(reasons(await process(a))).toEqual(['created: new']);
    });

    const names = () => status()?.firingAlerts?.map(({ fingerprint }) => fingerprint);

    it('that it resolved, also at a replica whose watch does not show it yet', async () => {
      const state = aState(clock);
      const other = aProcessor(clock, requests, state);
      other.index.get({ namespace: '', name: '' });
      other.index.mode = 'lagging';
      await aProcessor(clock, requests, state).send([a]);
      expect(reasons(await other.send([over(a)]))).toEqual(['resolved: resolved']);
      expect(status()).toMatchObject({ state: 'Resolved' });
    });

    it('that it resolved, also when the watch still shows that it did before it fired again', async () => {
      const state = aState(clock);
      const other = aProcessor(clock, requests, state);
      await process(a);
      await process(over(a));
      other.index.get(firstRequest());
      other.index.mode = 'lagging';
      await process(a);
      expect(status()).toMatchObject({ state: 'Firing' });
      expect(reasons(await other.send([over(a)]))).toEqual(['resolved: resolved']);
      expect(status()).toMatchObject({ state: 'Resolved' });
    });

    it('that it resolved, also after the request was over and cooled down', async () => {
      await process(a, b);
      requests.finish(firstRequest());
      clock.advance(cooldownMs + 1);
      expect(reasons(await process(over(a)))).toEqual(['resolved: still_firing']);
      await process(b);
      expect(requests.objects[1]?.spec.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['b']);
    });

    it('which alerts fire already when the next generation begins with one of them', async () => {
      await process(a, b);
      requests.finish(firstRequest());
      clock.advance(cooldownMs + 1);
      await process(a);
      expect(reasons(await process(over(a)))).toEqual(['resolved: still_firing']);
      expect(reasons(await process(over(b)))).toEqual(['resolved: resolved']);
    });

    it('that it fires, though hundreds of others resolved in the same webhook', async () => {
      await process(a);
      const others = Array.from({ length: 256 }, (_, i) => over({ ...a, senderFingerprint: `r${i}` }));
      await process({ ...a, senderFingerprint: 'y' }, over(a), ...others);
      expect([status()?.state, names()]).toEqual(['Firing', ['y']]);
    });

    it('that it fires, though it resolved in a later part of the same webhook', async () => {
      const filler = signalsOfPods(...Array.from({ length: 500 }, (_, i) => `filler-${i}`));
      await process(a);
      const outcomes = await process(a, ...filler, over(a));
      expect(outcomes.at(-1)).toMatchObject({ status: 'resolved', reason: 'still_firing' });
      expect(status()?.state).not.toBe('Resolved');
    });

    it('takes a firing signal whose request refuses the patch for good: it is carried all the same', async () => {
      await process(a);
      await process(over(a));
      requests.failNext('patch', 'invalid');
      expect(reasons(await process(a))).toEqual(['duplicate: known']);
    });

    it('keeps what it acknowledged when a later write fails, and fails only its own sender', async () => {
      await process(a);
      await process(over(a));
      replica.index.mode = 'cold';
      requests.failNext('get', 'unavailable');
      expect(reasons(await process(b))).toEqual(['duplicate: known']);
      replica.index.mode = 'current';
      requests.failNext('patch', 'unavailable');
      expect(reasons(await process({ ...a, senderFingerprint: 'c' }))).toEqual(['failed: kubernetes_unavailable']);
      await eventually(() => expect(names()).toContain('b'));
    });

    it('does not let what waits to be written overtake what is newer', async () => {
      await process(a, b);
      replica.index.mode = 'cold';
      requests.failNext('get', 'unavailable', 2);
      // What resolved is not said again, so it is not taken before it is written.
      expect(reasons(await process(a, over(b)))).toEqual([
        'failed: kubernetes_unavailable',
        'failed: kubernetes_unavailable',
      ]);
      expect(replica.log.messages).toContain('status of requests cannot be written now');
      replica.index.mode = 'current';
      expect(reasons(await process(b))).toEqual(['duplicate: known']);
      await eventually(() => expect(replica.log.messages).toContain('status of requests is written again'));
      await eventually(() => expect(replica.status.pendingCount).toBe(0));
      expect(names() ?? ['a', 'b']).toEqual(['a', 'b']);
    });

    it('takes one whose alert is called like a storm while the request cannot be read, as any other', async () => {
      const surge = aSignal({ name: 'Storm surge' });
      await process(surge);
      replica.index.mode = 'cold';
      requests.failNext('get', 'unavailable');
      expect(reasons(await process(surge))).toEqual(['duplicate: known']);
    });

    it('what it could not read then, when the API server answers again', async () => {
      await process(a);
      replica.index.mode = 'cold';
      requests.failNext('get', 'unavailable', 2);
      expect(reasons(await process(b))).toEqual(['duplicate: known']);
      await eventually(() => expect(status()?.firingAlerts?.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'b']));
    });
  });

  describe('when another replica died between create and confirm', () => {
    it('finds the request that it left behind, and does not wait for its claim to end', async () => {
      const state = aState(clock);
      const dead = aProcessor(clock, requests, state);
      jest.spyOn(dead.deduplication, 'settle').mockReturnValue(new Promise(() => undefined));
      void dead.send([aSignal()]);
      await eventually(() => expect(requests.objects).toHaveLength(1));
      const heir = aProcessor(clock, requests, state);
      expect(reasons(await heir.send([aSignal()]))).toEqual(['duplicate: live_request']);
      expect(requests.objects).toHaveLength(1);
    });
  });

  describe('of concurrent webhooks', () => {
    it('makes one request of 50 at once, and counts them all', async () => {
      const outcomes = (await Promise.all(Array.from({ length: 50 }, () => process(pod('a'))))).flat();
      expect(outcomes.filter(({ status }) => status === 'created')).toHaveLength(1);
      expect(outcomes.filter(({ status }) => status === 'duplicate')).toHaveLength(49);
      expect(requests.callsOf('create')).toHaveLength(1);
      expect(await process(pod('a'))).toMatchObject([{ count: 51 }]);
    });

    it('makes one request of 51 at three replicas that share a memory', async () => {
      const state = aState(clock);
      const replicas = [1, 2, 3].map(() => aProcessor(clock, requests, state));
      const posts = Array.from({ length: 51 }, (_, i) => replicas[i % 3]!.send([pod('a')], inTime));
      const outcomes = (await Promise.all(posts)).flat();
      expect(outcomes.filter(({ status }) => status === 'created')).toHaveLength(1);
      expect(requests.callsOf('create')).toHaveLength(1);
      expect(await replicas[0]!.send([pod('a')], inTime)).toMatchObject([{ count: 52 }]);
    });

    it('makes one request of 51 at three replicas that share nothing but the API server', async () => {
      const replicas = [1, 2, 3].map(() => aProcessor(clock, requests));
      for (const { index } of replicas) index.mode = 'lagging';
      const posts = Array.from({ length: 51 }, (_, i) => replicas[i % 3]!.send([pod('a')], inTime));
      const outcomes = (await Promise.all(posts)).flat();
      expect(outcomes.filter(({ status }) => status === 'created')).toHaveLength(1);
      expect(reasons(outcomes).filter((reason) => reason === 'duplicate: already_exists')).toHaveLength(2);
      expect(statuses(outcomes)).not.toContain('failed');
      expect(requests.objects).toHaveLength(1);
    });

    it('lets one of those who wait take over when the first one fails', async () => {
      requests.failNext('create', 'unavailable');
      const outcomes = (await Promise.all(Array.from({ length: 5 }, () => process(pod('a'))))).flat();
      expect(statuses(outcomes).toSorted()).toEqual(['created', 'duplicate', 'duplicate', 'duplicate', 'failed']);
      expect(requests.objects).toHaveLength(1);
    });

    it('creates its own before it waits for what somebody else holds', async () => {
      const deadline = new AbortController();
      const [own, foreign] = signalsOfPods('own', 'foreign') as [Signal, Signal];
      await replica.deduplication.claim([foreign], inTime);
      const processing = replica.send([foreign, own], deadline.signal);
      await until(() => requests.objects.length === 1);
      deadline.abort();
      expect(reasons(await processing)).toEqual(['failed: deadline_exceeded', 'created: new']);
    });

    it.each(['one process', 'two replicas'])('does not let two webhooks wait for each other (%s)', async (where) => {
      // A memory in slots, as a Redis Cluster: each webhook gets hold of its first signal before the other asks for it.
      const state = claimingOneByOne(aState(clock));
      const one = aProcessor(clock, requests, state);
      const other = where === 'one process' ? one : aProcessor(clock, requests, state);
      const [a, b] = signalsOfPods('a', 'b') as [Signal, Signal];
      const outcomes = await Promise.all([one.send([a, b], inTime), other.send([b, a], inTime)]);
      expect(outcomes.map(statuses)).toEqual([
        ['created', 'duplicate'],
        ['created', 'duplicate'],
      ]);
      expect(requests.callsOf('create')).toHaveLength(2);
    });
  });

  describe('after a request is over', () => {
    beforeEach(() => process(aSignal()));

    it('counts the signal while the request cools down', async () => {
      requests.finish(firstRequest());
      clock.advance(cooldownMs - 1);
      expect(statuses(await process(aSignal()))).toEqual(['duplicate']);
    });

    it.each(['Completed', 'Failed', 'TimedOut', 'Skipped', 'Cancelled'])(
      'opens the next generation when it is %s and has cooled down',
      async (phase) => {
        requests.finish(firstRequest(), phase);
        clock.advance(cooldownMs);
        const name = `${firstRequest().name}-2`;
        expect(await process(aSignal())).toMatchObject([
          { status: 'created', reason: 'next_generation', request: { name }, count: 1, firstSeen: clock.now() },
        ]);
        expect(statuses(await process(aSignal()))).toEqual(['duplicate']);
        expect(requests.objects).toHaveLength(2);
      },
    );

    it('opens it also for an alert that is sent every ten seconds all the time', async () => {
      requests.finish(firstRequest());
      const seen: string[] = [];
      for (let age = 0; age <= cooldownMs + 20_000; age += 10_000) {
        seen.push(...statuses(await process(aSignal())));
        clock.advance(10_000);
      }
      expect(seen.indexOf('created')).toBe(cooldownMs / 10_000);
      expect(seen.filter((status) => status === 'created')).toHaveLength(1);
    });

    it('opens one next generation of 30 signals at two replicas without a shared memory', async () => {
      requests.finish(firstRequest());
      clock.advance(cooldownMs);
      const replicas = [replica, aProcessor(clock, requests)];
      const posts = Array.from({ length: 30 }, (_, i) => replicas[i % 2]!.send([aSignal()], inTime));
      const outcomes = (await Promise.all(posts)).flat();
      expect(outcomes.filter(({ status }) => status === 'created')).toHaveLength(1);
      expect(requests.objects).toHaveLength(2);
    });

    it('keeps counting on a request whose phase it does not know', async () => {
      requests.finish(firstRequest(), 'Pondering');
      clock.advance(10 * cooldownMs);
      expect(statuses(await process(aSignal()))).toEqual(['duplicate']);
    });

    it('opens a new one when it was deleted', async () => {
      clock.advance(aWhile);
      requests.delete(firstRequest());
      expect(await process(aSignal())).toMatchObject([{ status: 'created', reason: 'new', count: 1 }]);
    });

    it('counts on the second generation when the first was deleted', async () => {
      requests.finish(firstRequest());
      clock.advance(cooldownMs);
      await process(aSignal());
      requests.delete(firstRequest());
      clock.advance(10 * cooldownMs);
      expect(reasons(await process(aSignal()))).toEqual(['duplicate: live_request']);
    });

    it('counts from the highest generation when older ones were cleaned up', async () => {
      requests.finish(firstRequest());
      clock.advance(cooldownMs);
      await process(aSignal());
      requests.delete(firstRequest());
      requests.finish(firstRequest());
      clock.advance(cooldownMs);
      expect(await process(aSignal())).toMatchObject([
        { status: 'created', request: { name: expect.stringMatching(/-3$/) } },
      ]);
    });
  });

  describe('when something fails', () => {
    it.each<[KubernetesFailure, string]>([
      ['unavailable', 'failed: kubernetes_unavailable'],
      ['overloaded', 'failed: kubernetes_overloaded'],
      ['unauthenticated', 'failed: kubernetes_unauthenticated'],
      ['forbidden', 'failed: kubernetes_forbidden'],
      ['quota-exceeded', 'failed: quota_exceeded'],
      ['crd-unusable', 'failed: crd_unusable'],
      ['conflict', 'failed: kubernetes_conflict'],
      ['denied', 'rejected: denied'],
      ['invalid', 'rejected: invalid_object'],
    ])(
      'answers "%s" with %s, leaves the siblings alone, and takes the signal when it is sent again',
      async (failure, reason) => {
        requests.failNext('create', failure);
        expect(reasons(await process(pod('a'), pod('b')))).toEqual([reason, 'created: new']);
        expect(reasons(await process(pod('a'), pod('b')))).toEqual(['created: new', 'duplicate: known']);
        expect(replica.log.messages).toContainEqual(expect.stringMatching(/^failed to create RemediationRequest: ./));
      },
    );

    it.each(['current', 'lagging', 'cold'] as const)(
      'makes no second object of a create whose answer was lost, the watch being %s',
      async (mode) => {
        replica.index.mode = mode;
        requests.loseNextAnswer();
        expect(reasons(await process(aSignal()))).toEqual(['failed: kubernetes_unavailable']);
        expect(statuses(await process(aSignal()))).toEqual(['duplicate']);
        expect(requests.objects).toHaveLength(1);
      },
    );

    it('lets the sender try again while the memory is out of reach, and rejects what is wrong all the same', async () => {
      jest.spyOn(replica.state, 'claim').mockRejectedValueOnce(new StateUnavailableError('down'));
      expect(reasons(await process(pod('a'), bad, resolvedPod('b')))).toEqual([
        'failed: state_unavailable',
        'rejected: invalid',
        'resolved: no_request',
      ]);
    });

    it('says created when the object exists and only the memory could not be told', async () => {
      jest.spyOn(replica.state, 'confirm').mockRejectedValueOnce(new StateUnavailableError('down'));
      expect(await process(aSignal())).toMatchObject([{ status: 'created', count: 1 }]);
      clock.advance(10_001);
      expect(reasons(await process(aSignal()))).toEqual(['duplicate: live_request']);
    });

    it('lets the sender try again while it cannot be known whether there is a request', async () => {
      replica.index.mode = 'cold';
      requests.failNext('list', 'unavailable');
      expect(reasons(await process(aSignal()))).toEqual(['failed: kubernetes_unavailable']);
      expect(requests.callsOf('create')).toEqual([]);
    });

    it('keeps a bug in one signal from its siblings', async () => {
      const evaluate = replica.priority.evaluate.bind(replica.priority);
      jest.spyOn(replica.priority, 'evaluate').mockImplementation((signal, environment) => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- OPA's WebAssembly throws texts
        if (signal.resource.name === 'poison') throw 'a text';
        return evaluate(signal, environment);
      });
      expect(reasons(await process(pod('a'), pod('poison'), pod('b')))).toEqual([
        'created: new',
        'failed: internal_error',
        'created: new',
      ]);
    });
  });

  it.each([
    ['in this process', false],
    ['of a server', true],
  ])(
    'opens what it can in time when the policy %s is slow, so that a sender that tries again comes to an end',
    async (_, isServer) => {
      const evaluate = replica.priority.evaluate.bind(replica.priority);
      let evaluated = 0;
      jest.spyOn(replica.priority, 'evaluate').mockImplementation((signal, environment) => {
        evaluated++;
        if (isServer) return later(() => evaluate(signal, environment));
        const begin = performance.now();
        while (performance.now() - begin < 4);
        return evaluate(signal, environment);
      });
      const later = async <T>(work: () => T | Promise<T>) => (await delay(60), await work());
      const create = requests.create.bind(requests);
      jest.spyOn(requests, 'create').mockImplementation(async (...given) => {
        await delay(5);
        return create(...given);
      });
      const signals = signalsOfPods(...Array.from({ length: 200 }, (__, i) => `p${i}`));
      const taken: number[] = [];
      for (let attempt = 0; taken.at(-1) !== 200; attempt++) {
        expect(attempt).toBeLessThan(20);
        const deadline = deadlineIn(400);
        const outcomes = await replica.send(signals, deadline.signal);
        deadline.clear();
        taken.push(outcomes.filter(({ status }) => status === 'created' || status === 'duplicate').length);
      }
      expect(taken.length).toBeGreaterThan(1);
      expect(taken).toEqual(taken.toSorted((x, y) => x - y));
      expect(taken[0]).toBeGreaterThan(0);
      // Nothing is asked about for an answer that nobody gets.
      expect(evaluated).toBeLessThan(200 + 40 * taken.length);
    },
  );

  it('tells once what thousands have in common, and how many they were', async () => {
    requests.failNext('create', 'unavailable', 200);
    await process(
      ...signalsOfPods(...Array.from({ length: 200 }, (_, i) => `p${i}`)),
      ...Array.from({ length: 300 }, () => bad),
    );
    const told = (message: string) => replica.log.lines.filter((line) => line.message === message);
    expect(told('signal processed')).toHaveLength(100);
    expect(told('more signals were not taken').map(({ fields }) => fields)).toEqual([
      { reason: 'kubernetes_unavailable', signals: 150 },
      { reason: 'invalid', signals: 250 },
    ]);
    expect(told('failed to create RemediationRequest: told to fail: unavailable').map(({ fields }) => fields)).toEqual([
      { reason: 'kubernetes_unavailable', signals: 200 },
    ]);
  });

  it('does not say that a create failed where nothing was to be created', async () => {
    await process(pod('a'));
    requests.failNext('patch', 'unavailable', 10);
    expect(statuses(await process(resolvedPod('a')))).toEqual(['failed']);
    expect(replica.log.messages).toContain('a signal was not taken: told to fail: unavailable');
    expect(replica.log.messages).not.toContainEqual(expect.stringContaining('failed to create'));
  });

  describe('of names and namespaces', () => {
    it('makes two objects of two incidents whose fingerprints begin alike', async () => {
      const [one, other] = [
        pod('a', { fingerprint: `abc123${'0'.repeat(58)}` }),
        pod('b', { fingerprint: `abc123${'f'.repeat(58)}` }),
      ];
      expect(statuses(await process(one, other))).toEqual(['created', 'created']);
      expect(requests.names.toSorted()).toEqual([
        expect.stringMatching(/^remediation-highmemoryusage-abc123$/),
        expect.stringMatching(/^remediation-highmemoryusage-abc123(0{6}|f{6})$/),
      ]);
      clock.advance(24 * 3_600_000);
      expect(statuses(await process(one, other))).toEqual(['duplicate', 'duplicate']);
    });

    it.each(['gone', '', '../../etc', 'Not A Namespace'])(
      'puts a signal of namespace "%s" into the fallback',
      async (namespace) => {
        requests.unusableNamespaces.add('gone');
        const signal = aSignal({ namespace });
        expect(await process(signal)).toMatchObject([{ status: 'created', request: { namespace: fallbackNamespace } }]);
        expect(statuses(await process(signal))).toEqual(['duplicate']);
      },
    );

    it('finds the request in the fallback when the namespace appears later', async () => {
      requests.unusableNamespaces.add('late');
      await process(aSignal({ namespace: 'late' }));
      requests.unusableNamespaces.clear();
      clock.advance(24 * 3_600_000);
      expect(reasons(await process(aSignal({ namespace: 'late' })))).toEqual(['duplicate: live_request']);
      expect(requests.objects).toHaveLength(1);
    });

    it('lets the sender try again while the fallback is missing', async () => {
      requests.unusableNamespaces.add('gone').add(fallbackNamespace);
      expect(reasons(await process(aSignal({ namespace: 'gone' }), pod('a')))).toEqual([
        'failed: fallback_namespace_missing',
        'created: new',
      ]);
    });
  });

  it('times a stage that failed as well', async () => {
    const ofCreate = async () => {
      const { values } = await new GatewayMetrics().stageDuration.get();
      return (
        values.find(({ metricName, labels }) => metricName?.endsWith('_count') && labels.stage === 'create')?.value ?? 0
      );
    };
    const before = await ofCreate();
    requests.failNext('create', 'unavailable');
    expect(statuses(await process(aSignal()))).toEqual(['failed']);
    expect(await ofCreate()).toBe(before + 1);
  });

  describe('at the deadline', () => {
    it('fails what is still being created, keeps what was done, and takes it all when it is sent again', async () => {
      const deadline = new AbortController();
      await process(pod('known'));
      const release = requests.holdCreates();
      const processing = replica.send([pod('known'), pod('slow')], deadline.signal);
      await until(() => requests.callsOf('create').length === 2);
      deadline.abort();
      expect(statuses(await processing)).toEqual(['duplicate', 'failed']);
      release();
      expect(statuses(await process(pod('known'), pod('slow')))).toEqual(['duplicate', 'created']);
    });

    it('fails what waits for somebody else', async () => {
      const deadline = new AbortController();
      const release = requests.holdCreates();
      const first = process(pod('a'));
      const second = replica.send([pod('a')], deadline.signal);
      await until(() => requests.callsOf('create').length === 1);
      deadline.abort();
      expect(reasons(await second)).toEqual(['failed: deadline_exceeded']);
      release();
      expect(statuses(await first)).toEqual(['created']);
    });

    it('fails what another replica holds and never settles, then takes it when the lease has ended', async () => {
      const deadline = new AbortController();
      await replica.state.claim([{ fingerprint: aSignal().fingerprint }]);
      const processing = replica.send([aSignal()], deadline.signal);
      await setImmediate();
      deadline.abort();
      expect(reasons(await processing)).toEqual(['failed: deadline_exceeded']);
      clock.advance(10_001);
      expect(statuses(await process(aSignal()))).toEqual(['created']);
    });

    it('fails what cannot be classified because the namespaces are not known yet', async () => {
      const deadline = new AbortController();
      replica.namespaces.cache.synced = false;
      const processing = replica.send([aSignal()], deadline.signal);
      await setImmediate();
      deadline.abort();
      expect(reasons(await processing)).toEqual(['failed: deadline_exceeded']);
      replica.namespaces.cache.synced = true;
      expect(statuses(await process(aSignal()))).toEqual(['created']);
    });

    it('creates nothing when it has passed already', async () => {
      const outcomes = await replica.send([pod('a'), bad, pod('b')], AbortSignal.abort());
      expect(statuses(outcomes)).toEqual(['failed', 'rejected', 'failed']);
      expect(requests.objects).toHaveLength(0);
      expect(replica.deduplication.inFlightCount).toBe(0);
    });
  });

  it('gives every signal one outcome whatever fails, and in the end every incident has one request', async () => {
    const failure = constantFrom<KubernetesFailure>(
      'unavailable',
      'overloaded',
      'quota-exceeded',
      'conflict',
      'forbidden',
    );
    const faults = array(tuple(constantFrom('create' as const, 'get' as const, 'list' as const), failure), {
      maxLength: 6,
    });
    const webhooks = array(array(tuple(integer({ min: 0, max: 5 }), boolean()), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 5,
    });
    const modes = constantFrom('current' as const, 'cold' as const);
    await assert(
      asyncProperty(webhooks, faults, modes, boolean(), async (groups, told, mode, losing) => {
        const cluster = new FakeRemediationRequestClient(clock);
        const replicas = [aProcessor(clock, cluster), aProcessor(clock, cluster)];
        for (const { index } of replicas) index.mode = mode;
        for (const [verb, error] of told) cluster.failNext(verb, error);
        if (losing) cluster.loseNextAnswer();

        const signals = groups.map((group) => group.map(([i, fires]) => (fires ? pod(`p${i}`) : resolvedPod(`p${i}`))));
        const posts = signals.map((group, i) => replicas[i % 2]!.send(group, inTime));
        const outcomes = await Promise.all(posts);
        expect(outcomes.map((group) => group.map(fingerprintOf))).toEqual(
          signals.map((group) => group.map(({ fingerprint }) => fingerprint)),
        );

        // The sender tries again until nothing fails, as Alertmanager does.
        for (const group of signals) {
          for (;;) {
            const again = await replicas[0]!.send(group, inTime);
            if (!statuses(again).includes('failed')) break;
            clock.advance(20_000);
          }
        }
        const firing = new Set(
          signals
            .flat()
            .filter(({ status }) => status === 'firing')
            .map(({ fingerprint }) => fingerprint),
        );
        expect(cluster.objects.map(({ spec }) => spec.fingerprint).toSorted()).toEqual([...firing].toSorted());
      }),
      { numRuns: 60 },
    );
  });
});

/** A memory that is atomic per fingerprint only: others come in between the signals of one webhook. */
function claimingOneByOne(state: SignalState): SignalState {
  return {
    async claim(requests: readonly ClaimRequest[]): Promise<Claim[]> {
      const claims: Claim[] = [];
      for (const request of requests) {
        claims.push(...(await state.claim([request])));
        await setImmediate();
      }
      return claims;
    },
    confirm: (confirmations) => state.confirm(confirmations),
    release: (releases) => state.release(releases),
    find: (fingerprints) => state.find(fingerprints),
  };
}
