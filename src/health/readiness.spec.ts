import type { CircuitName } from '../kubernetes/circuit';
import type { Finding } from '../kubernetes/request-trial';
import { Readiness, type ClusterStanding, type RedisDependency } from './readiness';

const watch = (synced: boolean, failing = false) => ({ synced, failing });
const redis = (up: boolean, onFailure: RedisDependency['onFailure']): RedisDependency => ({
  connection: { status: up ? { up } : { up, reason: 'connection refused' } },
  onFailure,
});

const cluster = (findings: readonly Finding[] | undefined = [], circuit: CircuitName = 'closed'): ClusterStanding => ({
  selfCheck: { findings },
  api: { circuit },
});

describe('readiness', () => {
  it('is down until every watch has listed once, and says which have not', () => {
    const readiness = new Readiness({ namespaces: watch(true), remediationrequests: watch(false) }, cluster());
    expect(readiness.check()).toEqual({ kubernetes: { state: 'down', reason: 'not listed yet: remediationrequests' } });
  });

  it('is degraded while a watch is interrupted: what was last known still serves', () => {
    const readiness = new Readiness({ namespaces: watch(true, true) }, cluster());
    expect(readiness.check()).toEqual({ kubernetes: { state: 'degraded', reason: 'watch interrupted: namespaces' } });
  });

  it.each([
    ['is down before the self-check', undefined, 'closed', 'down', 'self-check not done yet'],
    ['is down without what is essential', [{ problem: 'no CRD', essential: true }], 'closed', 'down', 'no CRD'],
    ['is degraded without the rest', [{ problem: 'no patch', essential: false }], 'closed', 'degraded', 'no patch'],
    [
      'keeps the words of the cluster to itself',
      [{ problem: 'no policy', clusterSays: 'secret', essential: false }],
      'closed',
      'degraded',
      /^no policy$/,
    ],
    ['is degraded while calls are suspended', [], 'open', 'degraded', /suspended/],
    ['is degraded while one is tried', [], 'half-open', 'degraded', /suspended/],
  ] as const)('%s', (_, findings, circuit, state, reason) => {
    const standing: ClusterStanding = { selfCheck: { findings }, api: { circuit } };
    const { kubernetes } = new Readiness({ namespaces: watch(true) }, standing).check();
    expect(kubernetes).toMatchObject({ state });
    expect((kubernetes as { reason: string }).reason).toMatch(reason);
  });

  it.each([
    [true, 'degrade', { state: 'up' }],
    [true, 'reject', { state: 'up' }],
    [false, 'degrade', { state: 'degraded', reason: 'connection refused' }],
    [false, 'reject', { state: 'down', reason: 'connection refused' }],
  ] as const)('with Redis up: %s and on_failure %s it says so', (up, onFailure, expected) => {
    const readiness = new Readiness({ namespaces: watch(true) }, cluster(), redis(up, onFailure));
    expect(readiness.check()).toEqual({ kubernetes: { state: 'up' }, redis: expected });
  });

  it('is down once it drains', () => {
    const readiness = new Readiness({ namespaces: watch(true) }, cluster());
    readiness.beginDraining();
    expect(readiness.isDraining).toBe(true);
    expect(readiness.check().shutdown).toEqual({ state: 'down', reason: 'shutting down' });
  });
});
