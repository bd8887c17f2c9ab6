import { inTime } from '../../test/support/a-processor';
import { FakeAccessReviewClient } from '../../test/support/fake-access-reviews';
import { FakeClock } from '../../test/support/fake-clock';
import { RecordingLog } from '../../test/support/recording-log';
import type { Caller } from '../caller';
import { DeadlineExceededError } from '../deadline';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { AuthorizationUnavailableError, Authorizer } from './authorizer';

describe('Authorizer', () => {
  let clock: FakeClock;
  let reviews: FakeAccessReviewClient;
  let log: RecordingLog;
  let authorizer: Authorizer;
  const team: Caller = { username: 'team-a' };
  const everywhere: Caller = { username: 'alertmanager' };
  const allowed = async (caller: Caller, ...namespaces: string[]) => [
    ...(await authorizer.permissionsOf(caller, 'prometheus', new Set(namespaces), inTime)).allowed,
  ];

  beforeEach(() => {
    clock = new FakeClock();
    reviews = new FakeAccessReviewClient();
    reviews.namespacesOf.set('team-a', ['shop', 'cart']);
    log = new RecordingLog();
    const options = { allowedTtlMs: 300_000, deniedTtlMs: 30_000, maxReviewsInFlight: 16 };
    authorizer = new Authorizer(reviews, options, clock, new GatewayMetrics(), log);
  });

  it('asks once about a caller that may send for the whole cluster', async () => {
    expect(await allowed(everywhere, 'a', 'b', 'c')).toEqual(['a', 'b', 'c']);
    expect(await allowed(everywhere, 'd')).toEqual(['d']);
    expect(reviews.asked).toEqual(['alertmanager prometheus *']);
  });

  it('asks for each namespace of a caller that may not, and says which are refused', async () => {
    expect(await allowed(team, 'shop', 'bank', 'cart')).toEqual(['shop', 'cart']);
    expect(reviews.asked).toEqual(['*', 'shop', 'bank', 'cart'].map((namespace) => `team-a prometheus ${namespace}`));
    expect(log.lines).toEqual([{ level: 'warn', fields: { namespace: 'bank' }, message: 'authorization failed' }]);
  });

  it('believes a permission for 5 minutes and a refusal for 30 seconds', async () => {
    await allowed(team, 'shop', 'bank');
    reviews.asked.length = 0;
    clock.advance(29_999);
    expect(await allowed(team, 'shop', 'bank')).toEqual(['shop']);
    expect(reviews.asked).toEqual([]);
    clock.advance(2);
    reviews.namespacesOf.set('team-a', ['shop', 'bank']);
    expect(await allowed(team, 'shop', 'bank')).toEqual(['shop', 'bank']);
    expect(reviews.asked).toEqual(['team-a prometheus *', 'team-a prometheus bank']);
    clock.advance(270_000);
    reviews.asked.length = 0;
    await allowed(team, 'shop');
    expect(reviews.asked).toContain('team-a prometheus shop');
  });

  it('knows callers apart by all that an authorizer may decide by', async () => {
    await allowed(everywhere, 'a');
    await allowed({ username: 'alertmanager' }, 'a');
    expect(reviews.asked).toHaveLength(1);
    await allowed({ username: 'alertmanager', groups: ['g'] }, 'a');
    await allowed({ username: 'alertmanager', uid: '1' }, 'a');
    await allowed({ username: 'alertmanager', extra: { scopes: ['x'] } }, 'a');
    await authorizer.permissionsOf(everywhere, 'grafana', new Set(['a']), inTime);
    expect(reviews.asked).toHaveLength(5);
  });

  it('asks once for many who ask at the same time', async () => {
    await Promise.all(Array.from({ length: 100 }, () => allowed(team, 'shop')));
    expect(reviews.asked).toHaveLength(2);
  });

  it('keeps reviews that are under way within their bounds, of one caller and of all', async () => {
    const namespaces = Array.from({ length: 200 }, (_, i) => `n-${i}`);
    expect(await allowed(team, ...namespaces)).toEqual([]);
    expect(reviews.peak).toBe(4);
    expect(log.lines).toHaveLength(11);
    const callers = Array.from({ length: 20 }, (_, i) => ({ username: `nobody-${i}` }));
    for (const { username } of callers) reviews.namespacesOf.set(username, []);
    await Promise.all(callers.map((caller) => allowed(caller, ...namespaces.slice(0, 20))));
    expect(reviews.peak).toBe(16);
  });

  it('lets no caller hold up another by naming many namespaces', async () => {
    reviews.namespacesOf.set('nobody', []);
    await allowed({ username: 'nobody' }, 'n');
    const release = reviews.hold();
    const floods = [1, 2, 3].map((k) => {
      const namespaces = Array.from({ length: 500 }, (_, i) => `n-${k}-${i}`);
      return allowed({ username: 'nobody' }, ...namespaces).catch(() => undefined);
    });
    const other = allowed(everywhere, 'a');
    release();
    expect(await other).toEqual(['a']);
    await Promise.all(floods);
  });

  it.each(['unavailable', 'overloaded', 'forbidden', 'unauthenticated'] as const)(
    'cannot tell after "%s", and remembers nothing of it',
    async (failure) => {
      reviews.failNext(failure);
      await expect(allowed(team, 'shop')).rejects.toBeInstanceOf(AuthorizationUnavailableError);
      expect(authorizer.sizes).toEqual({ allowed: 0, denied: 0 });
      expect(await allowed(team, 'shop')).toEqual(['shop']);
      expect(log.messages).toEqual([
        'authorization failed: access review unavailable',
        'access review available again',
      ]);
    },
  );

  it('knows of other namespaces what it cannot tell of one, and asks about that again', async () => {
    await allowed(team, 'bank');
    reviews.failNext('unavailable');
    const told = await authorizer.permissionsOf(team, 'prometheus', new Set(['shop', 'cart', 'bank']), inTime);
    expect([...told.allowed]).toEqual(['cart']);
    expect([...told.untold]).toEqual([['shop', expect.any(AuthorizationUnavailableError)]]);
    expect(await allowed(team, 'shop')).toEqual(['shop']);
  });

  it('answers in time, and those who come later still get the answer', async () => {
    const release = reviews.hold();
    const deadline = new AbortController();
    const late = authorizer.permissionsOf(team, 'prometheus', new Set(['shop']), deadline.signal);
    const patient = allowed(team, 'shop');
    deadline.abort();
    await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);
    release();
    expect(await patient).toEqual(['shop']);
  });

  it('holds so many answers and no more', async () => {
    const namespaces = Array.from({ length: 11_000 }, (_, i) => `n-${i}`);
    for (let i = 0; i < namespaces.length; i += 500) await allowed(team, ...namespaces.slice(i, i + 500));
    expect(authorizer.sizes).toEqual({ allowed: 0, denied: 10_000 });
  });
});
