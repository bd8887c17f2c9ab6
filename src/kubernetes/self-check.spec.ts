import { eventually } from '../../test/support/eventually';
import { FakeAccessReviewClient } from '../../test/support/fake-access-reviews';
import { FakeClock } from '../../test/support/fake-clock';
import { FakeRemediationRequestClient } from '../../test/support/fake-remediation-requests';
import { RecordingLog } from '../../test/support/recording-log';
import type { AccessReviewClient } from './access-review.client';
import { KubernetesApiError, type KubernetesFailure } from './kubernetes-api.error';
import { inWords, neededPermissions, type Permission } from './permissions';
import { SelfCheck } from './self-check';

const permissions = neededPermissions({ overrides: { namespace: 'kubernaut-system', name: 'overrides' } });

describe('SelfCheck', () => {
  let reviews: FakeAccessReviewClient;
  let client: FakeRemediationRequestClient;
  let log: RecordingLog;
  let check: SelfCheck;
  const found = async () => {
    check.start();
    await eventually(() => expect(check.findings).toBeDefined());
    return check.findings;
  };
  const trial = (failure: KubernetesFailure, message = 'm', statusCode?: number) =>
    client.failNext('try', new KubernetesApiError(failure, message, statusCode));

  beforeEach(() => {
    reviews = new FakeAccessReviewClient();
    client = new FakeRemediationRequestClient(new FakeClock());
    log = new RecordingLog();
    check = new SelfCheck(reviews, client, { permissions, namespace: 'kubernaut-system' }, log);
  });
  afterEach(() => check.stop());

  it('finds nothing where everything is as it should be, says so once, and leaves nothing behind', async () => {
    expect(await found()).toEqual([]);
    expect(log.messages).toEqual(['self-check passed']);
    expect(client.objects).toEqual([]);
    expect(client.callsOf('try')).toHaveLength(1);
  });

  it.each(permissions.map((permission) => [inWords(permission), permission] as const))(
    'names a missing permission: %s',
    async (words, { neededFor, essential }) => {
      reviews.missing.add(words);
      expect(await found()).toEqual([{ problem: `missing permission: ${words} (${neededFor})`, essential }]);
      expect(log.lines).toMatchObject([
        { level: 'error', message: 'self-check failed: the cluster does not let the gateway work' },
      ]);
    },
  );

  it('lists everything that is wrong in one line', async () => {
    for (const permission of permissions) reviews.missing.add(inWords(permission));
    trial('namespace-unusable');
    expect(await found()).toHaveLength(permissions.length + 1);
    expect(log.lines).toHaveLength(1);
  });

  it.each([
    ['crd-unusable', 404, '', 'the CRD remediationrequests.remediation.kubernaut.io is not installed', true],
    ['crd-unusable', 400, 'unknown field "spec.x"', 'the installed CRD is too old, upgrade it', true],
    ['invalid', 422, 'spec.a: Required', 'the installed CRD is not ours', true],
    ['namespace-unusable', 404, '', 'the fallback namespace kubernaut-system cannot be used', false],
    ['denied', 403, 'no', 'an admission policy refuses requests', false],
    ['webhook-unavailable', 500, 'x', 'an admission webhook does not answer', false],
    ['quota-exceeded', 403, 'full', 'the quota of namespace kubernaut-system is used up', false],
  ] as const)(
    'tells what a trial that fails with "%s" (%i) means, and apart from that what the cluster says',
    async (failure, code, message, problem, essential) => {
      trial(failure, message, code);
      expect(await found()).toEqual([{ problem, essential, ...(message && { clusterSays: message }) }]);
      const inFull = message === '' ? problem : `${problem}: ${message}`;
      expect(log.lines).toMatchObject([{ level: 'error', fields: { problems: [inFull] } }]);
    },
  );

  it('says that our own credentials are not accepted, which nothing can be asked with', async () => {
    reviews.failNext('unauthenticated', permissions.length);
    trial('unauthenticated', 'Unauthorized', 401);
    expect(await found()).toEqual([{ problem: 'our own credentials are not accepted', essential: true }]);
  });

  it('takes a webhook that cannot be tried for none', async () => {
    trial('invalid', 'admission webhook "x" does not support dry run', 400);
    expect(await found()).toEqual([]);
  });

  it('says nothing about permissions while the API server does not answer, and asks again soon', async () => {
    reviews.failNext('unavailable');
    expect(await found()).toEqual([]);
    expect(client.callsOf('try')).toHaveLength(2);
  });

  it('says so when it may not even ask', async () => {
    reviews.failNext('forbidden', permissions.length);
    expect(await found()).toEqual([
      { problem: 'cannot ask which permissions we have (SelfSubjectAccessReview)', essential: false },
    ]);
  });

  it('ends what it asks when it is stopped', async () => {
    const asking = Promise.withResolvers<AbortSignal>();
    const silent = {
      mayWe(_: Permission, signal: AbortSignal) {
        asking.resolve(signal);
        return new Promise((__, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      },
    } as AccessReviewClient;
    check = new SelfCheck(silent, client, { permissions, namespace: 'kubernaut-system' }, log);
    check.start();
    const asked = await asking.promise;
    const stopped = check.stop();
    expect(asked.aborted).toBe(true);
    await stopped;
    expect(log.lines).toEqual([]);
  });

  it('looks again while refusals go on and on', async () => {
    await found();
    reviews.missing.add(inWords(permissions[0]!));
    await eventually(() => {
      check.suspect();
      expect(check.findings).toHaveLength(1);
    });
  });

  it('looks again after a refusal, not more often than every 5 seconds', async () => {
    await found();
    reviews.missing.add(inWords(permissions[0]!));
    for (let i = 0; i < 10; i++) check.suspect();
    await eventually(() => expect(check.findings).toHaveLength(1));
    expect(client.callsOf('try')).toHaveLength(2);
  });
});
