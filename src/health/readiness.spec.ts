import { Readiness, type RedisDependency } from './readiness';

const watch = (synced: boolean, failing = false) => ({ synced, failing });
const redis = (up: boolean, onFailure: RedisDependency['onFailure']): RedisDependency => ({
  connection: { status: up ? { up } : { up, reason: 'connection refused' } },
  onFailure,
});

describe('readiness', () => {
  it('is down until every watch has listed once, and says which have not', () => {
    const readiness = new Readiness({ namespaces: watch(true), remediationrequests: watch(false) });
    expect(readiness.check()).toEqual({ kubernetes: { state: 'down', reason: 'not listed yet: remediationrequests' } });
  });

  it('is degraded while a watch is interrupted: what was last known still serves', () => {
    const readiness = new Readiness({ namespaces: watch(true, true) });
    expect(readiness.check()).toEqual({ kubernetes: { state: 'degraded', reason: 'watch interrupted: namespaces' } });
  });

  it.each([
    [true, 'degrade', { state: 'up' }],
    [true, 'reject', { state: 'up' }],
    [false, 'degrade', { state: 'degraded', reason: 'connection refused' }],
    [false, 'reject', { state: 'down', reason: 'connection refused' }],
  ] as const)('with Redis up: %s and on_failure %s it says so', (up, onFailure, expected) => {
    const readiness = new Readiness({ namespaces: watch(true) }, redis(up, onFailure));
    expect(readiness.check()).toEqual({ kubernetes: { state: 'up' }, redis: expected });
  });

  it('is down once it drains', () => {
    const readiness = new Readiness({ namespaces: watch(true) });
    readiness.beginDraining();
    expect(readiness.isDraining).toBe(true);
    expect(readiness.check().shutdown).toEqual({ state: 'down', reason: 'shutting down' });
  });
});
