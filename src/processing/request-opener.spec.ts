import { aSignal } from '../../test/support/a-signal';
import { cooldownMs, fallbackNamespace, inTime } from '../../test/support/a-processor';
import { FakeClock } from '../../test/support/fake-clock';
import {
  FakeRemediationRequestClient,
  FakeRemediationRequestIndex,
} from '../../test/support/fake-remediation-requests';
import { KubernetesApiError, type KubernetesFailure } from '../kubernetes/kubernetes-api.error';
import type { Signal } from '../signal/signal';
import { SharedLimit } from '../rate-limit/shared-limit';
import { FallbackNamespaceError, NamespaceOverLimitError, RequestOpener } from './request-opener';

const classification = { environment: 'production', environmentSource: 'x', priority: 'P1', prioritySource: 'y' };

describe('RequestOpener', () => {
  let clock: FakeClock;
  let requests: FakeRemediationRequestClient;
  let opener: RequestOpener;
  let claims = 0;
  const open = (signal: Signal = aSignal(), generation = 1, deadline = inTime) =>
    opener.open({ signal, firingAlerts: [], claim: `claim-${++claims}` }, classification, generation, deadline);
  const nameOf = (signal: Signal, rest = '') => `remediation-highmemoryusage-${signal.fingerprint.slice(0, 6)}${rest}`;

  beforeEach(() => {
    clock = new FakeClock();
    requests = new FakeRemediationRequestClient(clock);
    opener = new RequestOpener(
      requests,
      new FakeRemediationRequestIndex(requests, clock),
      clock,
      cooldownMs,
      fallbackNamespace,
    );
  });

  it('creates the request in the namespace of its signal', async () => {
    const signal = aSignal();
    const request = { namespace: 'prod-payment-service', name: nameOf(signal) };
    expect(await open(signal)).toMatchObject({ kind: 'created', request, known: request, generation: 1 });
    expect(requests.objects[0]).toMatchObject({ metadata: request, spec: { fingerprint: signal.fingerprint } });
  });

  describe('of a namespace that is limited', () => {
    const pod = (name: string) => aSignal({ resource: { kind: 'Pod', name } });

    beforeEach(() => {
      const size = { capacity: 2, perMinute: 2 };
      const limit = new SharedLimit(undefined, clock, { kind: 'namespace', size, onRefused: () => undefined });
      const index = new FakeRemediationRequestIndex(requests, clock);
      opener = new RequestOpener(requests, index, clock, cooldownMs, fallbackNamespace, limit);
    });

    it('opens so many in a minute, and further ones when it has waited', async () => {
      await open(pod('a'));
      await open(pod('b'));
      await expect(open(pod('c'))).rejects.toThrow(NamespaceOverLimitError);
      await expect(open({ ...pod('c'), namespace: 'elsewhere' })).resolves.toMatchObject({ kind: 'created' });
      clock.advance(30_000);
      expect(await open(pod('c'))).toMatchObject({ kind: 'created' });
      expect(requests.objects).toHaveLength(4);
    });

    it('does not count what opened none', async () => {
      await open(pod('a'));
      await open(pod('a'));
      requests.failNext('create', 'unavailable');
      await expect(open(pod('b'))).rejects.toThrow('told to fail');
      expect(await open(pod('b'))).toMatchObject({ kind: 'created' });
    });
  });

  describe('of a name that is taken', () => {
    it('answers the request of the same incident while it is live', async () => {
      await open();
      const again = await open();
      expect(again).toMatchObject({ kind: 'carried', request: { name: nameOf(aSignal()), generation: 1 } });
      expect(requests.objects).toHaveLength(1);
    });

    it('answers it while it cools down, and opens the next generation after that', async () => {
      const first = await open();
      requests.finish(refOf(first));
      expect(await open()).toMatchObject({ kind: 'carried', request: { generation: 1 } });
      clock.advance(cooldownMs);
      expect(await open()).toMatchObject({
        kind: 'created',
        generation: 2,
        request: { name: nameOf(aSignal(), '-2') },
      });
    });

    it('answers it to what is told late and happened before it was over', async () => {
      const before = clock.now();
      requests.finish(refOf(await open()));
      clock.advance(cooldownMs);
      const later = clock.now();
      expect(await open(aSignal({ occurredAt: before }))).toMatchObject({
        kind: 'carried',
        request: { generation: 1 },
      });
      expect(await open(aSignal({ occurredAt: later }))).toMatchObject({ kind: 'created', generation: 2 });
    });

    it('goes through all generations that are over', async () => {
      for (let generation = 1; generation <= 4; generation++) {
        const { kind, request } = await open();
        expect([kind, request.name.endsWith(`-${generation}`)]).toEqual(['created', generation > 1]);
        requests.finish(request);
        clock.advance(cooldownMs);
      }
      expect(requests.objects.map(({ spec }) => spec.generation)).toEqual([1, 2, 3, 4]);
    });

    it('takes 12 digits when another incident has the first 6', async () => {
      const [one, other] = [
        aSignal({ fingerprint: `abc123${'0'.repeat(58)}` }),
        aSignal({ fingerprint: `abc123${'f'.repeat(58)}` }),
      ];
      await open(one);
      expect(await open(other)).toMatchObject({
        kind: 'created',
        request: { name: 'remediation-highmemoryusage-abc123ffffff' },
      });
      expect(await open(other)).toMatchObject({ kind: 'carried', request: { fingerprint: other.fingerprint } });
      expect(await open(one)).toMatchObject({ kind: 'carried', request: { fingerprint: one.fingerprint } });
      expect(requests.objects).toHaveLength(2);
    });

    it('takes 12 digits also when both were claimed together, and share a claim', async () => {
      const ofOneClaim = (end: string) => {
        const signal = aSignal({ fingerprint: `abc123${end.repeat(58)}` });
        return opener.open({ signal, firingAlerts: [], claim: 'claim' }, classification, 1, inTime);
      };
      expect(await ofOneClaim('0')).toMatchObject({ kind: 'created' });
      expect(await ofOneClaim('f')).toMatchObject({
        kind: 'created',
        request: { name: 'remediation-highmemoryusage-abc123ffffff' },
      });
      expect(requests.objects).toHaveLength(2);
    });

    it('goes on with generations under 12 digits', async () => {
      await open(aSignal({ fingerprint: `abc123${'0'.repeat(58)}` }));
      const other = aSignal({ fingerprint: `abc123${'f'.repeat(58)}` });
      requests.finish(refOf(await open(other)));
      clock.advance(cooldownMs);
      expect(await open(other)).toMatchObject({
        kind: 'created',
        generation: 2,
        request: { name: 'remediation-highmemoryusage-abc123ffffff-2' },
      });
    });

    it('gives up, to be tried again, when 12 digits are taken as well', async () => {
      for (const rest of ['0', '1']) await open(aSignal({ fingerprint: `abc123ffffff${rest.repeat(52)}` }));
      await expect(open(aSignal({ fingerprint: `abc123ffffff${'2'.repeat(52)}` }))).rejects.toMatchObject({
        failure: 'conflict',
      });
      expect(requests.objects).toHaveLength(2);
      expect(requests.callsOf('create').length).toBeLessThan(20);
    });

    it('tries again when it was deleted in between', async () => {
      await open();
      requests.failNext('get', 'not-found');
      const taken = requests.objects[0]!.metadata;
      const read = requests.get.bind(requests);
      jest.spyOn(requests, 'get').mockImplementationOnce((ref, signal) => {
        requests.delete({ namespace: taken.namespace!, name: taken.name! });
        return read(ref, signal);
      });
      expect(await open()).toMatchObject({ kind: 'created', generation: 1 });
    });

    it('fails as the reading of it fails', async () => {
      await open();
      requests.failNext('get', 'unavailable');
      await expect(open()).rejects.toMatchObject({ failure: 'unavailable' });
    });
  });

  describe('of a namespace that takes nothing', () => {
    it.each(['gone', '', 'Not A Namespace', '../../kube-system', 'x'.repeat(64), 'größe'])(
      'turns to the fallback for "%s", and keeps where the signal came from',
      async (namespace) => {
        requests.unusableNamespaces.add('gone');
        expect(await open(aSignal({ namespace }))).toMatchObject({
          kind: 'created',
          request: { namespace: fallbackNamespace },
        });
        expect(requests.objects[0]!.spec.resource.namespace).toBe(namespace === '' ? undefined : namespace);
      },
    );

    it('finds there what lies there already', async () => {
      requests.unusableNamespaces.add('gone');
      const signal = aSignal({ namespace: 'gone' });
      await open(signal);
      expect(await open(signal)).toMatchObject({ kind: 'carried', request: { namespace: fallbackNamespace } });
    });

    it('lets the sender try again while the fallback takes nothing either', async () => {
      requests.unusableNamespaces.add('gone').add(fallbackNamespace);
      const error = await open(aSignal({ namespace: 'gone' })).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FallbackNamespaceError);
      expect(error).toMatchObject({ namespace: fallbackNamespace, ofSignal: false });
    });

    it.each([
      ['is being deleted', 403, true],
      ['does not exist, which an operator can heal', 404, false],
    ])('says whether its own namespace, the fallback itself, %s', async (_, statusCode, ofSignal) => {
      requests.failNext('create', new KubernetesApiError('namespace-unusable', 'no', statusCode));
      const error = await open(aSignal({ namespace: fallbackNamespace })).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'FallbackNamespaceError', ofSignal });
    });
  });

  it.each<KubernetesFailure>([
    'unavailable',
    'overloaded',
    'forbidden',
    'quota-exceeded',
    'crd-unusable',
    'denied',
    'invalid',
  ])('asks once and fails when the create is answered "%s"', async (failure) => {
    requests.failNext('create', failure);
    await expect(open()).rejects.toMatchObject({ failure });
    expect(requests.calls).toHaveLength(1);
  });

  it('makes one object of a create whose answer was lost', async () => {
    requests.loseNextAnswer();
    await expect(open()).rejects.toMatchObject({ failure: 'unavailable' });
    expect(await open()).toMatchObject({ kind: 'carried' });
    expect(requests.objects).toHaveLength(1);
  });

  it('makes one object of 20 replicas that create at once', async () => {
    const opened = await Promise.all(Array.from({ length: 20 }, () => open()));
    expect(opened.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(requests.objects).toHaveLength(1);
  });

  it('stops at the deadline', async () => {
    requests.holdCreates();
    const deadline = new AbortController();
    const opening = open(aSignal(), 1, deadline.signal);
    deadline.abort();
    await expect(opening).rejects.toMatchObject({ failure: 'unavailable' });
    expect(requests.objects).toHaveLength(0);
  });
});

function refOf({ request: { namespace, name } }: Awaited<ReturnType<RequestOpener['open']>>) {
  return { namespace, name };
}
