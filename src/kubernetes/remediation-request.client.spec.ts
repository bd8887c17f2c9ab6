import { DeadlineExceededError, deadlineIn } from '../deadline';
import type { CallOptions, KubernetesApi } from './kubernetes-api';
import { RemediationRequestClient } from './remediation-request.client';
import type { RemediationRequest } from './remediation-request';

describe('RemediationRequestClient', () => {
  let calls: string[];
  let release: () => void;
  let answer: string;
  let client: RemediationRequestClient;
  const requestIn = (namespace: string) => ({ metadata: { namespace, name: 'a' } }) as RemediationRequest;
  const request = requestIn('prod');
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    calls = [];
    answer = JSON.stringify({ metadata: { namespace: 'prod', name: 'a', resourceVersion: '7' } });
    const gate = Promise.withResolvers<void>();
    release = gate.resolve;
    const call = async (method: string, path: string, { read }: CallOptions = {}) => {
      calls.push(`${method} ${path}`);
      await gate.promise;
      return read === undefined ? request : read(answer);
    };
    client = new RemediationRequestClient({ call } as unknown as KubernetesApi, 4);
  });

  it('lets so many writes through at once, and the others wait', async () => {
    const writes = Array.from({ length: 10 }, (_, i) => client.create(requestIn(`n-${i}`)));
    await turn();
    expect([client.writesInFlight, client.writesWaiting]).toEqual([4, 6]);
    expect(calls).toHaveLength(4);
    release();
    await Promise.all(writes);
    expect(calls).toHaveLength(10);
    expect([client.writesInFlight, client.writesWaiting]).toEqual([0, 0]);
  });

  it('keeps room for others while writes of one namespace hang', async () => {
    const hanging = Array.from({ length: 10 }, () => client.create(requestIn('slow')));
    const other = client.create(requestIn('well'));
    await turn();
    expect(calls.filter((call) => call.includes('/slow/'))).toHaveLength(2);
    expect(calls.filter((call) => call.includes('/well/'))).toHaveLength(1);
    release();
    await Promise.all([...hanging, other]);
  });

  it('refuses at once what would have to wait behind too many', async () => {
    const writes = Array.from({ length: 2_000 }, () => client.create(request));
    await turn();
    writes.push(client.create(request), client.create(request));
    await expect(client.patchStatus({ namespace: 'prod', name: 'a' }, {}, '1')).rejects.toMatchObject({
      failure: 'overloaded',
    });
    release();
    await Promise.all(writes);
  });

  it('does not keep a caller waiting beyond its deadline', async () => {
    const first = Array.from({ length: 4 }, () => client.create(request));
    await expect(client.create(request, deadlineIn(20).signal)).rejects.toBeInstanceOf(DeadlineExceededError);
    release();
    await Promise.all(first);
  });

  it('has room for reads while writes wait', async () => {
    const writes = Array.from({ length: 10 }, () => client.create(request));
    const read = client.get({ namespace: 'prod', name: 'a' });
    await turn();
    expect(calls.filter((call) => call.startsWith('GET'))).toHaveLength(1);
    release();
    await Promise.all([...writes, read]);
  });

  it('creates strictly, tries without storing, and patches the version that it read', async () => {
    release();
    await client.create(request);
    await client.tryCreate(request);
    await client.patchStatus({ namespace: 'prod', name: 'a/b' }, {}, '7');
    const collection = '/apis/remediation.kubernaut.io/v1/namespaces/prod/remediationrequests';
    expect(calls).toEqual([
      `POST ${collection}?fieldValidation=Strict`,
      `POST ${collection}?fieldValidation=Strict&dryRun=All`,
      `PATCH ${collection}/a%2Fb/status`,
    ]);
  });

  it('reads what it created from the answer, unless the watch shows that version', async () => {
    release();
    answer = JSON.stringify({ metadata: { name: 'as answered', resourceVersion: '7' } });
    const nameOf = async (shown?: string) => (await client.create(request, undefined, () => shown)).metadata.name;
    expect([await nameOf(), await nameOf('8'), await nameOf('7')]).toEqual(['as answered', 'as answered', 'a']);
    answer = JSON.stringify({ metadata: { name: 'as answered', annotations: { x: '"resourceVersion":"7"' } } });
    expect(await nameOf('7')).toBe('as answered');
  });
});
