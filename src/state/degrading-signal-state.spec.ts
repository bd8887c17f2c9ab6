import { DegradingSignalState } from './degrading-signal-state';
import { EmbeddedSignalState } from './embedded/embedded-signal-state';
import { StateUnavailableError, type SignalState } from './signal-state';

/** A shared memory whose every operation ends as told. */
function failing(error: Error): SignalState {
  const fail = (): Promise<never> => Promise.reject(error);
  return { claim: fail, confirm: fail, release: fail, find: fail };
}

describe('DegradingSignalState', () => {
  const request = { namespace: 'prod', name: 'remediation-a' };
  let local: EmbeddedSignalState;
  let shared: EmbeddedSignalState;

  beforeEach(() => {
    const options = {
      clock: { now: () => 1_759_572_000_000 },
      ttlMs: 300_000,
      leaseMs: 10_000,
      cleanupIntervalMs: 60_000,
    };
    local = new EmbeddedSignalState(options);
    shared = new EmbeddedSignalState(options);
  });
  afterEach(() => {
    local.close();
    shared.close();
  });

  it('confirms each claim where it was made, and answers in the order of the questions', async () => {
    const state = new DegradingSignalState(shared, local);
    const [claimOfB] = await local.claim(['b', 'd'].map((fingerprint) => ({ fingerprint })));
    const token = claimOfB?.outcome === 'new' ? claimOfB.token : '';
    const confirmed = await state.confirm([
      { fingerprint: 'a', token: 'replica-1', request, known: { count: 10, firstSeen: 0 } },
      { fingerprint: 'b', token, request, known: { count: 20, firstSeen: 0 } },
      { fingerprint: 'c', token: 'replica-1', request, known: { count: 30, firstSeen: 0 } },
      { fingerprint: 'd', token: 'embedded-1', request, known: { count: 40, firstSeen: 0 } },
    ]);
    expect(confirmed.map((occurrences) => occurrences?.count)).toEqual([11, 21, 31, undefined]);
    const found = (memory: SignalState) => memory.find(['a', 'b', 'c', 'd']);
    expect(await found(shared)).toMatchObject([{ count: 11 }, undefined, { count: 31 }, undefined]);
    expect(await found(local)).toMatchObject([undefined, { count: 21 }, undefined, 'pending']);
  });

  it('does not let a late confirmation of a shared claim overwrite a claim of this process', async () => {
    const state = new DegradingSignalState(failing(new StateUnavailableError('down')), local);
    const [held] = await state.claim([{ fingerprint: 'a' }]);
    expect(await state.confirm([{ fingerprint: 'a', token: 'replica-1', request }])).toEqual([undefined]);
    await state.release([{ fingerprint: 'a', token: 'replica-1' }]);
    expect(held?.outcome).toBe('new');
    expect((await state.claim([{ fingerprint: 'a' }]))[0]?.outcome).toBe('pending');
  });

  it('hides no other error than an outage', async () => {
    const state = new DegradingSignalState(failing(new TypeError('a bug')), local);
    await expect(state.claim([{ fingerprint: 'a' }])).rejects.toThrow('a bug');
    expect(local.size).toBe(0);
  });
});
