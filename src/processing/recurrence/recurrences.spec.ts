import { aProcessor, cooldownMs } from '../../../test/support/a-processor';
import { aSignal } from '../../../test/support/a-signal';
import { FakeClock } from '../../../test/support/fake-clock';
import { FakeRemediationRequestClient } from '../../../test/support/fake-remediation-requests';
import { KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import type { RequestRef } from '../../request-ref';

const signal = aSignal({ senderFingerprint: 'a' });

describe('Recurrences', () => {
  let clock: FakeClock;
  let requests: FakeRemediationRequestClient;
  let replica: ReturnType<typeof aProcessor>;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance', 'nextTick', 'queueMicrotask'] });
    clock = new FakeClock();
    requests = new FakeRemediationRequestClient(clock);
    replica = aProcessor(clock, requests);
  });
  afterEach(() => {
    replica.recurrences.stop();
    jest.useRealTimers();
  });

  /** Lets time pass in steps, for clocks and timers alike, and what they start run before its own deadlines come. */
  const pass = async (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 1_000) {
      clock.advance(Math.min(left, 1_000));
      jest.advanceTimersByTime(Math.min(left, 1_000));
      for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  /** The watch shows all that there is. */
  const shown = () => {
    for (const request of replica.index.values()) replica.index.onRequest(request, false);
  };
  /** One request that is over, and fired again in its cooldown. */
  const recurred = async (): Promise<RequestRef> => {
    await replica.send([signal]);
    const ref = { namespace: 'prod-payment-service', name: requests.names[0]! };
    requests.finish(ref);
    await pass(60_000);
    expect(await replica.send([{ ...signal, receivedAt: clock.now() }])).toMatchObject([{ status: 'duplicate' }]);
    return ref;
  };

  it('opens the next generation when the cooldown ends, though nobody sends it again', async () => {
    await recurred();
    replica.recurrences.start();
    await pass(cooldownMs - 60_000 - 1_000);
    expect(requests.objects).toHaveLength(1);
    await pass(3_000);
    expect(requests.objects).toHaveLength(2);
    const [first, second] = requests.objects;
    expect(second).toMatchObject({
      metadata: { name: `${first!.metadata.name!}-2`, namespace: 'prod-payment-service' },
      spec: {
        alertName: signal.name,
        fingerprint: signal.fingerprint,
        generation: 2,
        resource: first!.spec.resource,
        labels: first!.spec.labels,
        originalPayload: first!.spec.originalPayload,
        firingAlerts: first!.spec.firingAlerts,
      },
    });
    expect(replica.log.lines.at(-1)).toMatchObject({ fields: { outcome: 'created', reason: 'next_generation' } });
  });

  it('remembers nothing of it afterwards, so that deleting the next one does not bring it back', async () => {
    const ref = await recurred();
    replica.recurrences.start();
    await pass(cooldownMs);
    await pass(2_000);
    expect(requests.objects[0]?.status?.signal).not.toHaveProperty('recurredAt');
    requests.delete({ ...ref, name: requests.names[1]! });
    shown();
    await pass(cooldownMs);
    expect(requests.objects).toHaveLength(1);
  });

  it('is done with it, though the cluster refuses to have that written', async () => {
    await recurred();
    replica.recurrences.start();
    requests.failNext('patch', 'invalid', 1_000);
    await pass(cooldownMs + 30_000);
    expect(requests.objects).toHaveLength(2);
    expect(replica.recurrences.waitingCount).toBe(0);
    expect(replica.log.messages.filter((message) => message === 'status of a request is refused')).toHaveLength(1);
  });

  it('opens nothing when it resolved in the meantime', async () => {
    await recurred();
    replica.recurrences.start();
    await replica.send([{ ...signal, status: 'resolved' }]);
    shown();
    await pass(2 * cooldownMs);
    expect(requests.objects).toHaveLength(1);
  });

  it('opens nothing for a request that was over and never fired again', async () => {
    await replica.send([signal]);
    requests.finish({ namespace: 'prod-payment-service', name: requests.names[0]! });
    replica.recurrences.start();
    await pass(2 * cooldownMs);
    expect(requests.objects).toHaveLength(1);
  });

  it('opens nothing when it was sent again and has its next generation', async () => {
    await recurred();
    await pass(cooldownMs);
    await replica.send([{ ...signal, receivedAt: clock.now() }]);
    expect(requests.objects).toHaveLength(2);
    replica.recurrences.start();
    await pass(5_000);
    expect(requests.objects).toHaveLength(2);
  });

  it('opens it though an old storm names the incident as well', async () => {
    await recurred();
    const storm = structuredClone(requests.objects[0]!);
    Object.assign(storm.metadata, { name: 'storm' });
    Object.assign(storm.spec, { fingerprint: 'f'.repeat(64), storm: { isStorm: true }, generation: 7 });
    await requests.create(storm);
    const named = { kind: 'Pod', name: 'x', fingerprint: signal.fingerprint, state: 'Firing' } as const;
    const ref = { namespace: 'prod-payment-service', name: 'storm' };
    requests.touch(ref, { storm: { affectedResources: [named] }, signal: {} });
    requests.finish(ref);
    replica.recurrences.start();
    await pass(cooldownMs);
    expect(requests.objects.map(({ spec }) => spec.generation)).toEqual([1, 7, 2]);
  });

  it('tells the next generation what resolved while it was being created', async () => {
    const ref = await recurred();
    const create = requests.create.bind(requests);
    requests.create = async (...args) => {
      const created = await create(...args);
      // By a replica that looked for the request before this one was there.
      requests.touch(ref, { signal: { ...requests.objects[0]?.status?.signal, state: 'Resolved', firingAlerts: [] } });
      return created;
    };
    replica.recurrences.start();
    await pass(cooldownMs);
    expect(requests.objects[1]?.status?.signal?.state).toBe('Resolved');
  });

  it('says nothing to the next generation that another replica has opened: it may have resolved since', async () => {
    const ref = await recurred();
    const create = requests.create.bind(requests);
    requests.create = async (request, ...rest) => {
      requests.create = create;
      // The other replica was faster.
      const others = structuredClone(request);
      others.metadata.annotations = {};
      const created = await create(others);
      const { namespace = '', name = '' } = created.metadata;
      const resolvedAt = new Date(clock.now()).toISOString();
      requests.touch({ namespace, name }, { signal: { state: 'Resolved', resolvedAt, firingAlerts: [] } });
      return create(request, ...rest);
    };
    replica.recurrences.start();
    await pass(cooldownMs + 2_000);
    expect(requests.objects.map(({ status }) => status?.signal?.state)).toEqual(['Firing', 'Resolved']);
    expect(requests.objects[0]?.metadata.name).toBe(ref.name);
  });

  it('follows what changes while an attempt is under way', async () => {
    const ref = await recurred();
    const [first] = requests.objects;
    replica.recurrences.start();
    const get = requests.get.bind(requests);
    requests.get = async (...args) => {
      requests.get = get;
      // It resolves, and fires again before the attempt has ended.
      requests.touch(ref, { signal: { state: 'Resolved', firingAlerts: [], recurredAt: null } });
      const read = await get(...args);
      requests.touch(ref, first?.status);
      shown();
      return read;
    };
    await pass(cooldownMs + 2_000);
    expect(requests.objects).toHaveLength(2);
  });

  it('opens one when several replicas see it', async () => {
    await recurred();
    const others = [aProcessor(clock, requests), aProcessor(clock, requests)];
    for (const { recurrences } of [replica, ...others]) recurrences.start();
    await pass(cooldownMs);
    await pass(5_000);
    expect(requests.names.filter((name) => name.endsWith('-2'))).toHaveLength(1);
    expect(requests.objects).toHaveLength(2);
    for (const { recurrences } of others) recurrences.stop();
  });

  it('opens nothing when it resolved at another replica, whatever the watch shows here', async () => {
    await recurred();
    const other = aProcessor(clock, requests, replica.state);
    other.index.get({ namespace: 'prod-payment-service', name: requests.names[0]! });
    other.index.mode = 'lagging';
    other.recurrences.start();
    await replica.send([{ ...signal, status: 'resolved' }]);
    await pass(2 * cooldownMs);
    expect(requests.objects).toHaveLength(1);
    other.recurrences.stop();
  });

  it('opens nothing any more when it resolved while the next generation could not be opened', async () => {
    await recurred();
    replica.recurrences.start();
    requests.failNext('create', 'quota-exceeded', 3);
    await pass(cooldownMs - 60_000 + 5_000);
    expect(await replica.send([{ ...signal, status: 'resolved' }])).toMatchObject([{ reason: 'resolved' }]);
    shown();
    await pass(60_000);
    expect(requests.objects).toHaveLength(1);
  });

  it('tries at its own pace, however often the request changes', async () => {
    await recurred();
    await pass(cooldownMs);
    replica.recurrences.start();
    requests.failNext('create', 'quota-exceeded', 1_000);
    const before = requests.callsOf('create').length;
    for (let second = 0; second < 60; second++) {
      shown();
      await pass(1_000);
      shown();
    }
    expect(requests.callsOf('create').length - before).toBeLessThanOrEqual(60);
    for (let second = 0; second < 10; second++) await pass(1_000);
    const settled = requests.callsOf('create').length;
    await pass(60_000);
    expect(requests.callsOf('create').length - settled).toBeLessThanOrEqual(13);
    expect(replica.recurrences.waitingCount).toBe(1);
  });

  it('creates nothing in another namespace because of a request that somebody wrote into theirs', async () => {
    const ref = await recurred();
    const [own] = requests.objects;
    const foreign = structuredClone(own!);
    Object.assign(foreign.metadata, { name: 'foreign', namespace: 'tenant' });
    await requests.create(foreign);
    requests.delete(ref);
    replica.recurrences.start();
    await pass(2 * cooldownMs);
    expect(requests.names).toEqual(['foreign']);
  });

  it('tries again when it cannot be read what it recurred of, while the watch cannot be believed', async () => {
    await recurred();
    replica.recurrences.start();
    await pass(cooldownMs - 60_000 - 2_000);
    replica.index.mode = 'cold';
    const get = requests.get.bind(requests);
    let gets = 0;
    // The first reading is that of the attempt, the second that of the claim.
    requests.get = (ref, deadline) =>
      ++gets === 2 ? Promise.reject(new KubernetesApiError('overloaded', 'come back later')) : get(ref, deadline);
    await pass(6_000);
    expect(gets).toBeGreaterThanOrEqual(2);
    replica.index.mode = 'current';
    shown();
    await pass(20_000);
    expect(requests.objects).toHaveLength(2);
  });

  it('tries again while the API server does not answer', async () => {
    await recurred();
    replica.recurrences.start();
    requests.failNext('get', 'unavailable');
    requests.failNext('create', 'unavailable', 2);
    await pass(cooldownMs);
    expect(replica.log.messages).toContain('next generation delayed');
    expect(replica.log.lines.at(-1)).toMatchObject({ fields: { outcome: 'created', reason: 'next_generation' } });
    expect(requests.objects).toHaveLength(2);
    expect(requests.callsOf('create')).toHaveLength(4);
  });
});
