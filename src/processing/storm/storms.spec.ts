import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { aProcessor, aState, defaultStormRules, inTime, noStorms } from '../../../test/support/a-processor';
import { aSignal } from '../../../test/support/a-signal';
import { eventually } from '../../../test/support/eventually';
import { FakeClock } from '../../../test/support/fake-clock';
import { FakeRemediationRequestClient } from '../../../test/support/fake-remediation-requests';
import { deadlineIn } from '../../deadline';
import { toKnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequest } from '../../kubernetes/remediation-request';
import type { Signal } from '../../signal/signal';
import { EmbeddedStormMembers } from '../../state/embedded/embedded-storm-members';
import { EmbeddedStormWindows } from '../../state/embedded/embedded-storm-windows';
import { StateUnavailableError } from '../../state/signal-state';
import type { StormRules } from '../../state/storm-windows';
import type { StormGrouping } from './storm-group';

const rateOnly = { ...defaultStormRules, patternThreshold: 100 };

describe('Storms', () => {
  let clock: FakeClock;
  let requests: FakeRemediationRequestClient;
  let state: ReturnType<typeof aState>;
  let windows: EmbeddedStormWindows;
  let members: EmbeddedStormMembers;
  let replica: ReturnType<typeof aProcessor>;

  const aReplica = (rules: StormRules = rateOnly, grouping: Partial<StormGrouping> = {}) =>
    aProcessor(clock, requests, state, {
      windows,
      members,
      rules,
      grouping: { ...noStorms, enabled: true, ...grouping },
    });
  beforeEach(() => {
    clock = new FakeClock();
    requests = new FakeRemediationRequestClient(clock);
    state = aState(clock);
    windows = new EmbeddedStormWindows(clock);
    members = new EmbeddedStormMembers(clock);
    replica = aReplica();
  });
  afterEach(() => state.close());

  const pod = (name: string, more: Partial<Signal> = {}) =>
    aSignal({ resource: { kind: 'Pod', name }, receivedAt: clock.now(), ...more });
  const pods = (count: number, prefix = 'pod', more: Partial<Signal> = {}) =>
    Array.from({ length: count }, (_, i) => pod(`${prefix}-${i}`, more));
  const statuses = async (signals: readonly Signal[], by = replica) =>
    (await by.send(signals)).map(({ status }) => status);
  const times = <T>(count: number, what: T) => Array.from({ length: count }, () => what);
  const stormRequests = () => requests.objects.filter(({ spec }) => spec.storm?.isStorm);
  const storm = () => stormRequests().at(-1)!;
  const over = (request = storm()) =>
    requests.finish({ namespace: request.metadata.namespace ?? '', name: request.metadata.name ?? '' });

  /** As Redis does: replicas made from here on have one memory of members. */
  const shareMembers = () => {
    const own = members;
    members = Object.assign(Object.create(own) as EmbeddedStormMembers, {
      async record(...[key, recorded, ...rest]: Parameters<EmbeddedStormMembers['record']>) {
        return { ...(await own.record(key, { ...recorded, ownApart: true }, ...rest)), apart: false };
      },
    });
  };
  /** One whose watch shows nothing that comes from here on. */
  const aLateReplica = () => {
    shareMembers();
    const late = aReplica();
    late.index.values();
    late.index.mode = 'lagging';
    return late;
  };

  describe('at the threshold', () => {
    it('has a request for each; one more makes a storm, whose request is created at once', async () => {
      expect(await statuses(pods(10))).toEqual(times(10, 'created'));
      expect(stormRequests()).toEqual([]);
      const [crossing] = await replica.send([pod('eleventh')]);
      expect(crossing).toMatchObject({
        status: 'created',
        reason: 'new',
        priority: 'P1',
        environment: 'production',
        request: { namespace: 'prod-payment-service', name: storm().metadata.name },
        storm: {
          type: 'rate',
          pattern: 'namespace=prod-payment-service alertname=HighMemoryUsage',
          alertCount: 1,
          affectedResources: ['prod-payment-service/Pod/eleventh'],
          totalAffectedResources: 1,
          aggregationWindow: '1m',
        },
      });
      expect(storm()).toMatchObject({
        metadata: { name: expect.stringMatching(/^remediation-storm-highmemoryusage-[0-9a-f]{6}$/) },
        spec: { storm: { isStorm: true, type: 'rate', window: '1m', threshold: 10 }, generation: 1 },
        status: { storm: { alertCount: 1, totalAffectedResources: 1, resolvedCount: 0, type: 'rate' } },
      });
      expect(storm().metadata.labels).toMatchObject({ 'kubernaut.io/storm': 'true' });
      expect(requests.objects).toHaveLength(11);
    });

    it('links the requests of the signals before it', async () => {
      await replica.send(pods(10));
      const before = requests.objects.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      await replica.send([pod('eleventh')]);
      expect(storm().status?.storm?.precededBy?.toSorted()).toEqual(before.toSorted());
    });

    it('is crossed within one webhook', async () => {
      expect(await statuses(pods(500))).toEqual([...times(11, 'created'), ...times(489, 'storm_aggregated')]);
      expect(requests.objects).toHaveLength(11);
      expect(storm().status?.storm).toMatchObject({ alertCount: 490, totalAffectedResources: 490 });
      expect(storm().status?.storm?.affectedResources).toHaveLength(100);
      expect(requests.callsOf('patch').length).toBeLessThanOrEqual(2);
    });

    it('says so in the log', async () => {
      await replica.send(pods(11));
      expect(replica.log.messages).toContain(
        'storm detected for pattern: namespace=prod-payment-service alertname=HighMemoryUsage',
      );
    });

    it('is crossed by a pattern', async () => {
      replica = aReplica(defaultStormRules);
      expect(await statuses(pods(7))).toEqual([...times(6, 'created'), 'storm_aggregated']);
      expect(storm().spec.storm).toEqual({ isStorm: true, type: 'pattern', window: '2m', threshold: 5 });
    });

    it('never counts what is known', async () => {
      await replica.send(pods(10));
      for (let i = 0; i < 5; i++) expect(await statuses(pods(10))).toEqual(times(10, 'duplicate'));
      // Nor what only the cluster knows.
      state = aState(clock);
      windows = new EmbeddedStormWindows(clock);
      replica = aReplica();
      expect(await statuses(pods(10))).toEqual(times(10, 'duplicate'));
      expect(await statuses([pod('new')])).toEqual(['created']);
      expect(stormRequests()).toEqual([]);
    });

    it('keeps namespaces and alert names apart', async () => {
      await replica.send(pods(10));
      await replica.send(pods(10, 'pod', { namespace: 'other' }));
      await replica.send(pods(10, 'pod', { name: 'Other' }));
      expect(stormRequests()).toEqual([]);
    });

    it('does not hold for names that are excluded', async () => {
      replica = aReplica(rateOnly, { excludeNamespaces: ['prod-payment-service'], excludeAlerts: ['Calm'] });
      expect(await statuses(pods(30))).toEqual(times(30, 'created'));
      expect(await statuses(pods(30, 'pod', { namespace: 'other', name: 'Calm' }))).toEqual(times(30, 'created'));
    });

    it('has its request in the fallback namespace when the group has none', async () => {
      replica = aReplica(rateOnly, { groupBy: ['alertname'] });
      await replica.send([...pods(6), ...pods(6, 'pod', { namespace: 'other' })]);
      expect(storm().metadata.namespace).toBe('kubernaut-system');
    });
  });

  describe('members', () => {
    beforeEach(async () => {
      await replica.send(pods(11));
    });

    it('are answered after the request carries them, and duplicates of it from then on', async () => {
      const [member] = await replica.send([pod('late')]);
      expect(member).toMatchObject({
        status: 'storm_aggregated',
        request: { name: storm().metadata.name },
        storm: { alertCount: 2 },
      });
      expect(storm().status?.storm?.affectedResources?.map(({ name }) => name)).toEqual(['pod-10', 'late']);
      const patches = requests.callsOf('patch').length;
      expect(await replica.send([pod('late')])).toMatchObject([
        { status: 'duplicate', count: 2, request: { name: storm().metadata.name } },
      ]);
      clock.advance(3_600_000);
      expect(await statuses([pod('late')])).toEqual(['duplicate']);
      expect(requests.callsOf('patch')).toHaveLength(patches);
      expect(storm().status?.storm).toMatchObject({ alertCount: 2 });
    });

    it('of many webhooks share a write', async () => {
      const before = requests.callsOf('patch').length;
      await Promise.all(Array.from({ length: 50 }, (_, i) => replica.send([pod(`late-${i}`)])));
      expect(storm().status?.storm).toMatchObject({ alertCount: 51 });
      expect(requests.callsOf('patch').length - before).toBeLessThanOrEqual(2);
    });

    it('are sent again when the request cannot be told, and count once', async () => {
      requests.failNext('patch', 'unavailable');
      expect(await statuses([pod('late')])).toEqual(['failed']);
      expect(await statuses([pod('late')])).toEqual(['storm_aggregated']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 2 });
    });

    it('count once when the replica that took them dies before its sender knows', async () => {
      const confirm = jest.spyOn(state, 'confirm').mockImplementationOnce(() => new Promise(() => undefined));
      void replica.send([pod('late')]);
      await jest.requireActual<typeof import('node:timers/promises')>('node:timers/promises').setTimeout(50);
      expect(confirm).toHaveBeenCalled();
      clock.advance(11_000);
      const other = aReplica();
      expect(await statuses([pod('late'), pod('later')], other)).toEqual(['duplicate', 'storm_aggregated']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 3 });
    });

    it('of several replicas at once are all counted', async () => {
      const replicas = [replica, aReplica(), aReplica()];
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => replicas[i % 3]!.send([pod(`late-${i}`), pod(`later-${i}`)])),
      );
      expect(storm().status?.storm).toMatchObject({ alertCount: 121, totalAffectedResources: 121 });
      expect(new Set(storm().status?.storm?.affectedResources?.map(({ name }) => name)).size).toBe(100);
    });

    it('raise its severity', async () => {
      const mild = (name: string, more: Partial<Signal> = {}) =>
        pod(name, { name: 'Mild', severity: 'warning', ...more });
      await replica.send(Array.from({ length: 12 }, (_, i) => mild(`pod-${i}`)));
      expect(storm().spec).toMatchObject({ alertName: 'Mild', severity: 'warning' });
      await replica.send([mild('late', { severity: 'critical' })]);
      expect(storm().status?.signal).toMatchObject({ severity: 'critical', state: 'Firing' });
      await replica.send([mild('later')]);
      expect(storm().status?.signal).toMatchObject({ severity: 'critical' });
    });

    it('that resolve are counted, and the signal has resolved when all have', async () => {
      await replica.send([pod('late')]);
      const resolve = (name: string) => pod(name, { status: 'resolved', endsAt: clock.now() });
      expect(await replica.send([resolve('late')])).toMatchObject([
        { status: 'resolved', reason: 'resolved', request: { name: storm().metadata.name } },
      ]);
      expect(storm().status).toMatchObject({ storm: { resolvedCount: 1, alertCount: 2 } });
      expect(storm().status?.signal?.state).not.toBe('Resolved');
      await replica.send([resolve('pod-10'), resolve('late')]);
      expect(storm().status).toMatchObject({
        storm: { resolvedCount: 2, alertCount: 2 },
        signal: { state: 'Resolved', resolvedAt: new Date(clock.now()).toISOString().replace('.000Z', 'Z') },
      });
      expect(storm().status?.storm?.affectedResources?.map(({ state: now }) => now)).toEqual(['Resolved', 'Resolved']);
      // One of them fires again.
      expect(await statuses([pod('late')])).toEqual(['duplicate']);
      expect(storm().status).toMatchObject({ storm: { resolvedCount: 1 }, signal: { state: 'Firing' } });
      expect(storm().status?.signal).not.toHaveProperty('resolvedAt');
    });

    it('that resolve by the hundred are one write', async () => {
      await replica.send(pods(300, 'late'));
      const before = requests.callsOf('patch').length;
      const gone = pods(300, 'late', { status: 'resolved', endsAt: clock.now() });
      expect(new Set(await statuses(gone))).toEqual(new Set(['resolved']));
      expect(requests.callsOf('patch').length - before).toBe(1);
      expect(storm().status?.storm).toMatchObject({ resolvedCount: 300, alertCount: 301 });
    });
  });

  describe('that end', () => {
    beforeEach(async () => {
      await replica.send(pods(12));
    });

    it('leave signals ordinary when nobody joined for a while, and are taken up again while their request lives', async () => {
      clock.advance(61_000);
      expect(await statuses(pods(10, 'second'))).toEqual(times(10, 'created'));
      expect(stormRequests()).toHaveLength(1);
      expect(await statuses(pods(2, 'third'))).toEqual(times(2, 'storm_aggregated'));
      expect(stormRequests()).toHaveLength(1);
      expect(storm().status?.storm).toMatchObject({ alertCount: 4 });
      expect(Date.parse(storm().status?.storm?.windowStartedAt ?? '')).toBe(clock.now());
    });

    it('end with their request: then signals are ordinary, and a new storm has the next generation after the cooldown', async () => {
      over();
      expect(await statuses(pods(3, 'second'))).toEqual(times(3, 'created'));
      // Who was part of it is a duplicate while it cools down.
      expect(await statuses([pod('pod-11')])).toEqual(['duplicate']);
      expect(await statuses(pods(20, 'third'))).toEqual(times(20, 'created'));
      expect(stormRequests()).toHaveLength(1);
      clock.advance(300_000);
      expect(await statuses(pods(12, 'fourth'))).toEqual([...times(11, 'created'), 'storm_aggregated']);
      expect(stormRequests()).toHaveLength(2);
      expect(storm()).toMatchObject({ spec: { generation: 2 }, status: { storm: { alertCount: 2 } } });
      expect(storm().metadata.name).toMatch(/-2$/);
    });

    it('go on as the next generation when they still fire at the end of the cooldown, whether sent again or not', async () => {
      over();
      expect(await statuses([pod('pod-11')])).toEqual(['duplicate']);
      expect(storm().status?.signal).toMatchObject({ state: 'Firing', recurredAt: expect.any(String) });
      const before = requests.callsOf('patch').length;
      expect(await statuses([pod('pod-11')])).toEqual(['duplicate']);
      expect(requests.callsOf('patch')).toHaveLength(before);

      clock.advance(300_001);
      replica.recurrences.start();
      await eventually(() => expect(stormRequests()).toHaveLength(2));
      await eventually(() => expect(storm().status?.storm).toMatchObject({ alertCount: 2 }));
      replica.recurrences.stop();
      expect(storm()).toMatchObject({ spec: { generation: 2, storm: { isStorm: true } } });
      expect(storm().status?.storm?.affectedResources?.map(({ name }) => name)).toEqual(['pod-10', 'pod-11']);
      // Its members are duplicates of it, and who is new joins it.
      expect(await statuses([pod('pod-11'), pod('late')])).toEqual(['duplicate', 'storm_aggregated']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 3 });
    });

    it('do not go on when what was sent has resolved in the cooldown', async () => {
      over();
      await replica.send([pod('pod-10'), pod('pod-11')]);
      const resolve = (name: string) => pod(name, { status: 'resolved', endsAt: clock.now() });
      await replica.send([resolve('pod-10'), resolve('pod-11')]);
      expect(storm().status?.signal).toMatchObject({ state: 'Resolved' });
      expect(storm().status?.signal).not.toHaveProperty('recurredAt');
    });

    it('do not go on by an event from before that, and it opens nothing when they have cooled down', async () => {
      const event = (name: string) => pod(name, { occurredAt: clock.now() });
      const [named, told] = [event('pod-11'), event('late')];
      await replica.send([named, told]);
      clock.advance(10_000);
      over();
      expect(await statuses([named, told])).toEqual(times(2, 'duplicate'));
      expect(storm().status?.signal?.recurredAt).toBeUndefined();
      clock.advance(301_000);
      const before = requests.objects.length;
      for (const memory of [state, aState(clock)]) {
        state = memory;
        expect(await statuses([named, told], aReplica())).toEqual(times(2, 'duplicate'));
      }
      expect(requests.objects).toHaveLength(before);
      expect(storm().status?.signal?.recurredAt).toBeUndefined();
      expect(await statuses([event('pod-11')])).toEqual(['created']);
    });

    it('make no storm of who comes when they have cooled down, however long their window would be open', async () => {
      replica = aReplica({ ...rateOnly, aggregationWindowMs: 900_000 });
      await replica.send([pod('late')]);
      over();
      clock.advance(301_000);
      expect(await statuses([pod('new')])).toEqual(['created']);
      expect(stormRequests()).toHaveLength(1);
      expect(await statuses(pods(11, 'second'))).toEqual([...times(10, 'created'), 'storm_aggregated']);
      expect(stormRequests()).toHaveLength(2);
    });

    it.each([
      ['in their cooldown', 10_000, {}],
      ['after it, of events from before', 301_000, { occurredAt: 1 }],
    ])('of more than a hundred carry whom they do not name %s, after the memory was lost', async (_, later, more) => {
      const all = pods(150, 'late', more);
      await replica.send(all);
      over();
      const before = requests.objects.length;
      clock.advance(later);
      [state, windows, members] = [aState(clock), new EmbeddedStormWindows(clock), new EmbeddedStormMembers(clock)];
      expect(await statuses(all, aReplica())).toEqual(times(150, 'duplicate'));
      expect(requests.objects).toHaveLength(before);
      expect(await statuses([pod('new', { startsAt: clock.now() })])).toEqual(['created']);
    });

    it('of more than a hundred take nobody who is new when nobody joined for a while', async () => {
      await replica.send(pods(150, 'late'));
      const begun = { startsAt: clock.now() };
      await replica.send([pod('last')]);
      clock.advance(61_000);
      expect(await statuses([pod('new', begun)])).toEqual(['created']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 153 });
    });

    it('do not take who was counted before them, and whose request is applied late', async () => {
      const other = (name: string) => pod(name, { name: 'Other' });
      const before = Array.from({ length: 10 }, (_, i) => other(`pod-${i}`));
      requests.failNext('create', 'unavailable');
      expect(await statuses(before)).toEqual(['failed', ...times(9, 'created')]);
      expect(await statuses([other('crossing')])).toEqual(['created']);
      expect(await statuses(before)).toEqual(['created', ...times(9, 'duplicate')]);
    });

    it('are over for who joins in the very moment', async () => {
      replica.index.mode = 'lagging';
      await replica.index.find('any', new AbortController().signal);
      over();
      requests.touch({ namespace: 'prod-payment-service', name: storm().metadata.name ?? '' });
      expect(await statuses([pod('late')])).toEqual(['created']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 2 });
    });

    it('go on when everything but the cluster is lost', async () => {
      state = aState(clock);
      windows = new EmbeddedStormWindows(clock);
      members = new EmbeddedStormMembers(clock);
      replica = aReplica();
      expect(await statuses([pod('pod-11'), pod('late')])).toEqual(['duplicate', 'storm_aggregated']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 3 });
      expect(storm().status?.storm).not.toHaveProperty('countApproximate');
    });

    describe('in a gateway that lost its memory', () => {
      /** 152 members, of which the request names 100. */
      const forget = async () => {
        await replica.send(pods(150, 'late'));
        state = aState(clock);
        windows = new EmbeddedStormWindows(clock);
        members = new EmbeddedStormMembers(clock);
        replica = aReplica();
      };

      it('count who may be new while it goes on, and say that this is not exact', async () => {
        await forget();
        expect(new Set(await statuses(pods(150, 'late')))).toEqual(new Set(['duplicate', 'storm_aggregated']));
        expect(storm().status?.storm).toMatchObject({ alertCount: 204, countApproximate: true });
        const gone = [...pods(150, 'late'), pod('pod-10'), pod('pod-11')];
        await replica.send(gone.map((signal) => ({ ...signal, status: 'resolved', endsAt: clock.now() })));
        expect(storm().status).toMatchObject({ storm: { resolvedCount: 204 }, signal: { state: 'Resolved' } });
      });

      it('go on from how many may be two in their next generation', async () => {
        await forget();
        await replica.send(pods(150, 'late'));
        expect(storm().status?.storm).toMatchObject({ alertCount: 204, maybeCountedTwice: 52 });
        over();
        await replica.send(pods(150, 'late'));
        clock.advance(300_001);
        replica.recurrences.start();
        await eventually(() =>
          expect(storm()).toMatchObject({ spec: { generation: 2 }, status: { storm: { alertCount: 204 } } }),
        );
        replica.recurrences.stop();
        const all = [...pods(150, 'late'), pod('pod-10'), pod('pod-11')];
        await replica.send(all);
        await replica.send(all.map((signal) => ({ ...signal, status: 'resolved', endsAt: clock.now() })));
        expect(storm().status?.signal?.state).toBe('Resolved');
      });

      it('count who is sent again once when nobody had joined for long, and who is new', async () => {
        await forget();
        clock.advance(600_000);
        await replica.send(pods(150, 'late'));
        expect(storm().status?.storm).toMatchObject({ alertCount: 152, countApproximate: true });
      });

      it('have no objects of their own, also when nobody joined for long', async () => {
        await forget();
        clock.advance(3_600_000);
        const before = requests.objects.length;
        await replica.send(pods(150, 'late'));
        expect(requests.objects).toHaveLength(before);
        expect(storm().status?.storm).toMatchObject({ alertCount: 152 });
      });

      it('are over when all have resolved, named or not', async () => {
        await forget();
        const resolve = (signals: readonly Signal[]) =>
          signals.map((signal) => ({ ...signal, status: 'resolved' as const, endsAt: clock.now() }));
        const outcomes = await replica.send(resolve([...pods(150, 'late'), pod('pod-10'), pod('pod-11')]));
        expect(new Set(outcomes.map((outcome) => 'reason' in outcome && outcome.reason))).toEqual(
          new Set(['resolved']),
        );
        expect(storm().status).toMatchObject({
          storm: { alertCount: 152, resolvedCount: 152 },
          signal: { state: 'Resolved' },
        });
      });

      it('ask the API server once for what many signals share, while the watch cannot be believed', async () => {
        await replica.send(pods(50, 'late'));
        replica.index.mode = 'cold';
        requests.calls.length = 0;
        await replica.send(pods(50, 'late'));
        expect(requests.callsOf('get')).toHaveLength(1);
      });
    });

    it('do not go on in a request of the same name that was made later', async () => {
      const { namespace = '', name = '' } = storm().metadata;
      for (const { metadata } of requests.objects)
        requests.delete({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' });
      clock.advance(3_600_000);
      await replica.send(pods(13, 'second'));
      expect(storm()).toMatchObject({ metadata: { namespace, name }, status: { storm: { alertCount: 3 } } });
      expect(await statuses([pod('pod-11')])).toEqual(['storm_aggregated']);
      expect(storm().status?.storm).toMatchObject({ alertCount: 4 });
    });

    it('keep the links of what was before, when they are taken up again', async () => {
      const first = storm().status?.storm?.precededBy ?? [];
      clock.advance(61_000);
      await replica.send(pods(11, 'second'));
      const links = storm().status?.storm?.precededBy ?? [];
      expect(links).toHaveLength(20);
      expect(links).toEqual(expect.arrayContaining([...first]));
    });
  });

  describe('that somebody interferes with', () => {
    beforeEach(async () => {
      await replica.send(pods(12));
    });
    const resolve = (name: string, more: Partial<Signal> = {}) =>
      pod(name, { status: 'resolved', endsAt: clock.now(), ...more });
    const counts = () => storm().status?.storm;

    it('count nobody who resolved before it was acknowledged, as firing', async () => {
      requests.failNext('patch', 'unavailable');
      expect(await statuses([pod('late')])).toEqual(['failed']);
      await replica.send([resolve('late')]);
      await replica.send([pod('later')]);
      expect(counts()).toMatchObject({ alertCount: 4, resolvedCount: 1 });
    });

    it('resolve, though their request was created and nothing could be written to it', async () => {
      clock.advance(61_000);
      const other = (name: string, more: Partial<Signal> = {}) => pod(name, { name: 'Other', ...more });
      await replica.send(Array.from({ length: 10 }, (_, i) => other(`pod-${i}`)));
      requests.failNext('patch', 'unavailable');
      expect(await statuses([other('crossing')])).toEqual(['failed']);
      await replica.send([other('crossing', { status: 'resolved', endsAt: clock.now() })]);
      expect(storm()).toMatchObject({ spec: { alertName: 'Other' }, status: { signal: { state: 'Resolved' } } });
    });

    describe('by a replica whose watch is late', () => {
      let late: typeof replica;
      const all = ['pod-10', 'pod-11'];
      beforeEach(() => {
        shareMembers();
        replica = aReplica();
        late = aReplica();
      });
      const standStill = () => {
        late.index.values();
        late.index.mode = 'lagging';
      };

      it('resolve by what the object is', async () => {
        await replica.send(all.map((name) => resolve(name)));
        standStill();
        clock.advance(1_000);
        await replica.send(all.map((name) => pod(name)));
        expect(storm().status?.signal?.state).toBe('Firing');
        clock.advance(1_000);
        await late.send(all.map((name) => resolve(name)));
        expect(storm().status).toMatchObject({ signal: { state: 'Resolved' }, storm: { resolvedCount: 2 } });
      });

      it('fire again by what the object is', async () => {
        standStill();
        await replica.send(all.map((name) => resolve(name)));
        expect(storm().status?.signal?.state).toBe('Resolved');
        clock.advance(1_000);
        expect(await statuses([pod('pod-10'), pod('pod-11')], late)).toEqual(times(2, 'duplicate'));
        await eventually(() => expect(storm().status?.signal?.state).toBe('Firing'));
      });
    });

    it('resolve by a signal that has a request of its own as well', async () => {
      // To one replica it was part of the storm, to another, without the shared memory and with a late watch, it was not.
      const apart = aProcessor(clock, requests, aState(clock));
      apart.index.values();
      apart.index.mode = 'lagging';
      expect(await statuses([pod('twice')])).toEqual(['storm_aggregated']);
      expect(await statuses([pod('twice')], apart)).toEqual(['created']);
      await replica.send(['pod-10', 'pod-11', 'twice'].map((name) => resolve(name)));
      expect(storm().status).toMatchObject({ signal: { state: 'Resolved' }, storm: { resolvedCount: 3 } });
      const own = requests.objects.find(({ spec }) => spec.resource.name === 'twice');
      expect(own?.status?.signal?.state).toBe('Resolved');
    });

    it('resolve by an alert of such a signal that resolved while another fired', async () => {
      const apart = aProcessor(clock, requests, aState(clock));
      apart.index.values();
      apart.index.mode = 'lagging';
      const [first, second] = [pod('twice', { senderFingerprint: 'a' }), pod('twice', { senderFingerprint: 'b' })];
      await replica.send([first, second]);
      await apart.send([first, second]);
      const { fingerprint } = first;
      const refOf = ({ metadata: { namespace = '', name = '' } }: RemediationRequest) => ({ namespace, name });
      const [claim] = await state.claim([{ fingerprint, over: refOf(storm()) }]);
      const { token } = claim as { token: string };
      await state.confirm([{ fingerprint, token, request: refOf(requests.objects.at(-1)!) }]);
      const ended = { status: 'resolved', endsAt: clock.now() } as const;
      await replica.send([first, { ...second, ...ended }]);
      await replica.send([{ ...first, ...ended }, resolve('pod-10'), resolve('pod-11')]);
      expect(storm().status).toMatchObject({ signal: { state: 'Resolved' }, storm: { resolvedCount: 3 } });
    });

    it('have resolved when their alerts have, though events tell of them as well', async () => {
      const event = pod('late', { occurredAt: clock.now(), senderFingerprint: undefined });
      const alert = pod('late', { senderFingerprint: 'a' });
      await replica.send([event]);
      await replica.send([alert]);
      await replica.send([event]);
      await replica.send(['pod-10', 'pod-11'].map((name) => resolve(name)));
      await replica.send([{ ...alert, status: 'resolved', endsAt: clock.now() }]);
      expect(storm().status?.signal?.state).toBe('Resolved');
    });

    it('do not take again what was written, when its answer is late and it has resolved meanwhile', async () => {
      const patch = requests.patchStatus.bind(requests);
      requests.patchStatus = async (...args) => {
        requests.patchStatus = patch;
        await patch(...args);
        clock.advance(1_000);
        await aReplica().send([resolve('late')]);
        // As the repetition of a patch is told that was applied.
        return patch(...args);
      };
      shareMembers();
      replica = aReplica();
      await replica.send([pod('late')]);
      expect(counts()).toMatchObject({ alertCount: 3, resolvedCount: 1 });
    });

    it('are not told what its sender gave up saying', async () => {
      const gone = new AbortController();
      const release = requests.holdCreates();
      const first = replica.send([pod('late')]);
      await delay(50);
      const second = replica.send([pod('later')], gone.signal);
      await delay(20);
      gone.abort();
      expect(await second).toMatchObject([{ status: 'failed' }]);
      release();
      await first;
      await replica.send([pod('last')]);
      expect(counts()?.affectedResources?.map(({ name }) => name)).toEqual(['pod-10', 'pod-11', 'late', 'last']);
    });

    it('know who was recorded and not written, though their window has closed', async () => {
      requests.failNext('patch', 'unavailable');
      expect(await statuses([pod('late')])).toEqual(['failed']);
      clock.advance(61_000);
      expect(await statuses([pod('late'), pod('new')])).toEqual(['storm_aggregated', 'created']);
      expect(counts()).toMatchObject({ alertCount: 3 });
    });

    it('carry the signal that they were created for, though nothing else was recorded', async () => {
      clock.advance(61_000);
      const other = (name: string, more: Partial<Signal> = {}) => pod(name, { name: 'Other', ...more });
      await replica.send(Array.from({ length: 10 }, (_, i) => other(`pod-${i}`)));
      jest.spyOn(members, 'record').mockRejectedValueOnce(new StateUnavailableError('away'));
      expect(await statuses([other('crossing')])).toEqual(['failed']);
      clock.advance(61_000);
      const before = requests.objects.length;
      expect(await replica.send([other('crossing')])).toMatchObject([
        { status: 'duplicate', request: { name: storm().metadata.name } },
      ]);
      expect(requests.objects).toHaveLength(before);
      expect(counts()).toMatchObject({ alertCount: 1, affectedResources: [{ name: 'crossing', state: 'Firing' }] });
      await replica.send([other('crossing', { status: 'resolved', endsAt: clock.now() })]);
      expect(storm().status?.signal?.state).toBe('Resolved');
    });

    it('do not fire again by an event from before they resolved', async () => {
      const event = pod('late', { occurredAt: clock.now() });
      await replica.send([event]);
      clock.advance(1_000);
      await replica.send(['pod-10', 'pod-11', 'late'].map((name) => resolve(name)));
      expect(await statuses([event])).toEqual(['duplicate']);
      await new Promise((done) => setTimeout(done, 50));
      expect(storm().status?.signal?.state).toBe('Resolved');
      expect(await statuses([{ ...event, occurredAt: clock.now() + 1 }])).toEqual(['duplicate']);
      expect(storm().status?.signal?.state).toBe('Firing');
    });

    it('resolve members that had a request of their own long ago', async () => {
      const ordinary = requests.objects.find(({ spec }) => spec.resource.name === 'pod-0');
      over(ordinary);
      clock.advance(301_000);
      await replica.send(pods(20, 'second'));
      expect(await statuses([pod('pod-0')])).toEqual(['storm_aggregated']);
      await replica.send([resolve('pod-0')]);
      expect(counts()).toMatchObject({ resolvedCount: 1 });
    });

    it('have not resolved while another alert of a member fires that came in the same webhook', async () => {
      await replica.send(pods(12));
      const [first, second] = [pod('two', { senderFingerprint: 'first' }), pod('two', { senderFingerprint: 'second' })];
      await replica.send([first, second]);
      const outcome = async (signal: Signal) => (await replica.send([{ ...signal, status: 'resolved' }]))[0];
      expect(await outcome(first)).toMatchObject({ reason: 'still_firing' });
      expect(storm().status?.storm?.resolvedCount).toBe(0);
      expect(await outcome(second)).toMatchObject({ reason: 'resolved' });
      expect(storm().status?.storm?.resolvedCount).toBe(1);
    });

    it('have not resolved while another alert of a member fires, or by the end of an earlier firing', async () => {
      const container = (senderFingerprint: string) => ({ senderFingerprint });
      await replica.send([pod('two', container('first'))]);
      await replica.send([pod('two', container('second'))]);
      await new Promise((done) => setTimeout(done, 50));
      expect(await replica.send([resolve('two', container('first'))])).toMatchObject([{ reason: 'still_firing' }]);
      expect(counts()).toMatchObject({ resolvedCount: 0 });
      expect(await replica.send([resolve('two', { ...container('second'), endsAt: 1 })])).toMatchObject([
        { reason: 'still_firing' },
      ]);
      expect(await replica.send([resolve('two', container('second'))])).toMatchObject([{ reason: 'resolved' }]);
    });

    it('leave to the sender what cannot be told while the API server is away', async () => {
      await replica.send([resolve('pod-10'), resolve('pod-11')]);
      replica.index.mode = 'cold';
      requests.failNext('get', 'unavailable');
      expect(await replica.send([pod('pod-11', { startsAt: clock.now() })])).toMatchObject([{ status: 'failed' }]);
      replica.index.mode = 'current';
      clock.advance(1_000);
      expect(await statuses([pod('pod-11', { startsAt: clock.now() })])).toEqual(['duplicate']);
      expect(storm().status?.signal).toMatchObject({ state: 'Firing' });
    });

    it('are no reason for a bug when they are deleted behind the back of the watch', async () => {
      replica.index.mode = 'lagging';
      requests.delete({ namespace: storm().metadata.namespace ?? '', name: storm().metadata.name ?? '' });
      expect(await replica.send([resolve('pod-11')])).toMatchObject([
        { status: 'failed', reason: 'kubernetes_conflict' },
      ]);
    });

    it('do not carry what somebody else claims of them', async () => {
      const victim = pod('victim');
      requests.touch(
        { namespace: storm().metadata.namespace ?? '', name: storm().metadata.name ?? '' },
        {
          storm: {
            affectedResources: [
              null,
              { kind: 'Pod', name: 'x', fingerprint: pod('elsewhere', { name: 'Else' }).fingerprint, state: 'Firing' },
            ] as never,
          },
        },
      );
      expect(await statuses([pod('elsewhere', { name: 'Else' }), victim])).toEqual(['created', 'storm_aggregated']);
    });

    it('are not told of what somebody else claims of them', async () => {
      const elsewhere = pod('elsewhere', { name: 'Else' });
      const ref = { namespace: storm().metadata.namespace ?? '', name: storm().metadata.name ?? '' };
      await replica.send([elsewhere]);
      const claimed = { kind: 'Pod', name: 'x', fingerprint: elsewhere.fingerprint, state: 'Firing' } as const;
      requests.touch(ref, { storm: { ...storm().status!.storm!, affectedResources: [claimed] } });
      const before = requests.calls.length;
      await replica.send([resolve('elsewhere', { name: 'Else' })]);
      const own = requests.objects.find(({ spec }) => spec.alertName === 'Else');
      expect(own?.status?.signal?.state).toBe('Resolved');
      expect(requests.calls.slice(before).filter((call) => call.includes(ref.name))).toEqual([]);
      expect(storm().status?.storm?.affectedResources).toEqual([claimed]);
    });

    it('name their objects in short', async () => {
      await replica.send([pod('x'.repeat(15_000))]);
      expect(Math.max(...(counts()?.affectedResources ?? []).map(({ name }) => name.length))).toBe(253);
    });

    it('name a hundred of them within the size that an object may have, whatever they are called', async () => {
      const long = (i: number) => ({ kind: `${'種'.repeat(300)}${i}`, name: `${i}${'名'.repeat(300)}` });
      const signals = Array.from({ length: 120 }, (_, i) =>
        pod('x', { namespace: '場'.repeat(300), resource: long(i) }),
      );
      await replica.send(signals);
      expect(storm().status?.storm).toMatchObject({ alertCount: 110, totalAffectedResources: 110 });
      expect(Buffer.byteLength(JSON.stringify(storm().status))).toBeLessThan(100_000);
    });

    it('are told once of what stands in a webhook twice', async () => {
      expect(await replica.send([pod('twice'), pod('twice')])).toMatchObject([
        { status: 'storm_aggregated' },
        { status: 'duplicate', reason: 'same_webhook', request: { name: storm().metadata.name } },
      ]);
    });

    it('are linked to what was before them though the first write failed', async () => {
      const other = (name: string) => pod(name, { name: 'Other' });
      await replica.send(Array.from({ length: 10 }, (_, i) => other(`pod-${i}`)));
      requests.failNext('patch', 'unavailable');
      await replica.send([other('crossing')]);
      await replica.send([other('crossing')]);
      expect(counts()?.precededBy).toHaveLength(10);
    });

    it('have resolved when all have, before their next generation was there', async () => {
      over();
      await replica.send([pod('pod-10'), pod('pod-11')]);
      const other = aLateReplica();
      const create = requests.create.bind(requests);
      requests.create = async (...args) => {
        requests.create = create;
        await other.send([resolve('pod-10'), resolve('pod-11')]);
        return create(...args);
      };
      clock.advance(300_001);
      replica.recurrences.start();
      await eventually(() =>
        expect(stormRequests().map(({ status }) => status?.signal?.state)).toEqual(['Resolved', 'Resolved']),
      );
      replica.recurrences.stop();
      expect(counts()).toMatchObject({ alertCount: 2, resolvedCount: 2 });
    });

    describe('when the next generation is opened', () => {
      const stateOf = (name: string) => counts()?.affectedResources?.find((one) => one.name === name)?.state;
      const nextGeneration = async () => {
        clock.advance(300_001);
        replica.recurrences.start();
        await eventually(() => expect(stormRequests()).toHaveLength(2));
      };
      beforeEach(async () => {
        await replica.send(pods(150, 'late'));
        over();
        await replica.send(pods(150, 'late'));
      });
      afterEach(() => replica.recurrences.stop());

      it('carry all that fire, also those that nobody names', async () => {
        await nextGeneration();
        await eventually(() => expect(counts()).toMatchObject({ alertCount: 152 }));
        const before = requests.objects.length;
        await replica.send(pods(150, 'late'));
        expect(requests.objects).toHaveLength(before);
        expect(counts()).toMatchObject({ alertCount: 152 });
      });

      it('carry them when another crossing was faster', async () => {
        clock.advance(300_001);
        await replica.send(pods(12, 'fourth', { startsAt: clock.now() }));
        expect(stormRequests()).toHaveLength(2);
        replica.recurrences.start();
        await eventually(() => expect(counts()?.affectedResources?.map(({ name }) => name)).toContain('pod-11'));
      });

      it('carry them however the clock goes on, and are told the ends of those that nobody names', async () => {
        jest.spyOn(clock, 'now').mockImplementation(() => {
          FakeClock.prototype.advance.call(clock, 1);
          return FakeClock.prototype.now.call(clock);
        });
        await nextGeneration();
        await eventually(() => expect(counts()).toMatchObject({ alertCount: 152, totalAffectedResources: 152 }));
        replica.recurrences.stop();
        await replica.send(pods(150, 'late').map((one) => ({ ...one, status: 'resolved', endsAt: clock.now() })));
        expect(counts()).toMatchObject({ alertCount: 152, resolvedCount: 150 });
        await replica.send([resolve('pod-10'), resolve('pod-11')]);
        expect(storm().status?.signal?.state).toBe('Resolved');
      });

      it('carry nobody who has resolved meanwhile, whichever of the two requests was told', async () => {
        const one = replica;
        const other = aLateReplica();
        const create = requests.create.bind(requests);
        requests.create = async (...args) => {
          const created = await create(...args);
          requests.create = create;
          // By a replica that does not see the new one yet.
          await other.send([resolve('pod-10')]);
          return created;
        };
        await nextGeneration();
        await eventually(() => expect(stateOf('pod-11')).toBe('Firing'));
        await eventually(() => expect(stateOf('pod-10')).toBe('Resolved'));
        await one.send([resolve('pod-11')]);
        const [first, second] = stormRequests().map(({ metadata, spec, status }) =>
          toKnownRequest({ metadata, spec, status } as RemediationRequest, clock.now()),
        );
        await one.storms.carryOn(first!, second!, inTime);
        expect(stateOf('pod-11')).toBe('Resolved');
      });

      it('are told of an end before their new request carries it', async () => {
        const create = requests.create.bind(requests);
        requests.create = async (...args) => {
          const created = await create(...args);
          requests.create = create;
          expect(await replica.send([resolve('pod-10')])).toMatchObject([{ status: 'resolved', reason: 'resolved' }]);
          return created;
        };
        await nextGeneration();
        await eventually(() => expect(stateOf('pod-11')).toBe('Firing'));
        await eventually(() => expect(stateOf('pod-10')).toBe('Resolved'));
      });

      it('are told of an end until the request before is done with, and then its sender is told to come again', async () => {
        const other = aLateReplica();
        const patchStatus = requests.patchStatus.bind(requests);
        const forgets = { signal: { recurredAt: null } };
        let told: unknown;
        requests.patchStatus = async (ref, status, ...rest) => {
          if (JSON.stringify(status) === JSON.stringify(forgets)) {
            requests.patchStatus = patchStatus;
            told = await other.send([resolve('pod-10')]);
          }
          return patchStatus(ref, status, ...rest);
        };
        await nextGeneration();
        expect(told).toMatchObject([{ status: 'resolved' }]);
        await eventually(() => expect(stateOf('pod-10')).toBe('Resolved'));
        await eventually(() => expect(stormRequests()[0]?.status?.signal?.recurredAt).toBeUndefined());
        expect(await other.send([resolve('pod-11')])).toMatchObject([
          { status: 'failed', reason: 'kubernetes_conflict' },
        ]);
        other.index.mode = 'current';
        expect(await other.send([resolve('pod-11')])).toMatchObject([{ status: 'resolved' }]);
        expect(stateOf('pod-11')).toBe('Resolved');
      });

      it('are not forgotten when the first write fails', async () => {
        requests.failNext('patch', 'unavailable');
        await nextGeneration();
        await eventually(() => expect(counts()).toMatchObject({ alertCount: 152 }));
      });
    });
  });

  it('have one request when signals of different names are one group', async () => {
    const grouped = { groupBy: ['namespace'] };
    const replicas = [aReplica(rateOnly, grouped), aReplica(rateOnly, grouped)];
    await replicas[0]!.send(pods(10));
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => replicas[i % 2]!.send([pod(`a-${i}`, { name: `Alert${i % 3}` })])),
    );
    expect(stormRequests()).toHaveLength(1);
    expect(storm().status?.storm).toMatchObject({ alertCount: 20 });
  });

  it('have those who wait for another webhook to open it answered by their own deadlines', async () => {
    await replica.send(pods(10));
    const release = requests.holdCreates();
    const opener = replica.send([pod('eleventh')]);
    await setImmediate();
    const [hasty, patient] = [deadlineIn(50).signal, deadlineIn(60_000).signal];
    const waiting = [replica.send([pod('twelfth')], hasty), replica.send([pod('thirteenth')], patient)];
    expect(await waiting[0]).toMatchObject([{ status: 'failed', reason: 'deadline_exceeded' }]);
    release();
    expect(await opener).toMatchObject([{ status: 'created' }]);
    expect(await waiting[1]).toMatchObject([{ status: 'storm_aggregated' }]);
    expect(stormRequests()).toHaveLength(1);
  });

  it('go on when the time of who opened it was over, and theirs is not', async () => {
    await replica.send(pods(10));
    const release = requests.holdCreates();
    const opener = replica.send([pod('eleventh')], deadlineIn(50).signal);
    await setImmediate();
    const patient = replica.send([pod('twelfth')], deadlineIn(60_000).signal);
    expect(await opener).toMatchObject([{ status: 'failed' }]);
    release();
    expect(await patient).toMatchObject([{ status: expect.stringMatching(/^(created|storm_aggregated)$/) }]);
    expect(stormRequests()).toHaveLength(1);
  });

  it('are one, however many replicas notice them at once', async () => {
    const replicas = [replica, aReplica(), aReplica()];
    await Promise.all(Array.from({ length: 90 }, async (_, i) => replicas[i % 3]!.send([pod(`a-${i}`)])));
    expect(stormRequests()).toHaveLength(1);
    expect(requests.objects).toHaveLength(11);
    expect(storm().status?.storm).toMatchObject({ alertCount: 80 });
  });

  it('are noticed by nobody while the memory must be there and is not', async () => {
    jest.spyOn(windows, 'place').mockRejectedValueOnce(new StateUnavailableError('away'));
    expect(await replica.send([pod('a')])).toMatchObject([{ status: 'failed', reason: 'state_unavailable' }]);
    expect(await statuses([pod('a')])).toEqual(['created']);
  });
});
