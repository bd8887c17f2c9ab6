import { page, ProgrammedCollection, sends } from '../../test/support/programmed-collection';
import { RecordingLog } from '../../test/support/recording-log';
import { until } from '../../test/support/until';
import { systemClock } from '../clock';
import { KubernetesApi } from './kubernetes-api';
import { RemediationRequestClient } from './remediation-request.client';
import { RemediationRequestIndex } from './remediation-request.index';

describe('RemediationRequestIndex', () => {
  let server: ProgrammedCollection;
  let api: KubernetesApi;
  let index: RemediationRequestIndex;
  const member = (fingerprint: string) => ({ kind: 'Pod', name: fingerprint, fingerprint });
  const request = (name: string, resourceVersion: string, fingerprint: string, ...members: string[]) => ({
    metadata: { namespace: 'prod', name, resourceVersion, creationTimestamp: '2025-10-04T10:00:00Z' },
    spec: {
      fingerprint,
      generation: 1,
      severity: 'critical',
      ...(members.length > 0 ? { storm: { isStorm: true } } : {}),
    },
    ...(members.length > 0 ? { status: { storm: { affectedResources: members.map(member) } } } : {}),
  });
  const event = (type: string, object: object) => ({ type, object });
  const namesOf = (fingerprint: string) => index.peek(fingerprint).map(({ name }) => name);

  beforeEach(async () => {
    server = await ProgrammedCollection.start();
    const log = new RecordingLog();
    api = await KubernetesApi.connect(
      { kubeconfig: '', context: '', server: server.url, connections: 2, callTimeoutMs: 2_000 },
      log,
    );
    index = new RemediationRequestIndex(api, new RemediationRequestClient(api, 4), systemClock, log);
  });
  afterEach(async () => {
    await index.cache.stop();
    await api.close();
    await server.stop();
  });

  async function watched(...events: object[]): Promise<void> {
    const last = {
      metadata: { resourceVersion: '99', namespace: 'prod', name: 'last' },
      spec: { fingerprint: 'last' },
    };
    server.watches.push(sends(...events, event('ADDED', last)));
    index.cache.start();
    await until(() => namesOf('last').length === 1);
  }

  it('finds all requests of a fingerprint, each as it stands now', async () => {
    server.lists.push(page('10', [request('a-1', '1', 'a'), request('a-2', '2', 'a'), request('b-1', '3', 'b')]));
    const changed = { ...request('a-1', '11', 'a'), status: { overallPhase: 'Completed' } };
    await watched(event('MODIFIED', changed), event('DELETED', request('b-1', '12', 'b')));
    expect(namesOf('a').sort()).toEqual(['a-1', 'a-2']);
    expect(index.peek('a').find(({ name }) => name === 'a-1')).toHaveProperty('overSince');
    expect(namesOf('b')).toEqual([]);
  });

  it('finds a request by another fingerprint when that is what it carries now', async () => {
    server.lists.push(page('10', [request('a-1', '1', 'a')]));
    await watched(event('MODIFIED', request('a-1', '11', 'b')));
    expect([namesOf('a'), namesOf('b')]).toEqual([[], ['a-1']]);
  });

  it('finds a storm once by its own fingerprint and by each member that it names, for as long as it does', async () => {
    server.lists.push(page('10', [request('storm', '1', 's', 'x', 'y', 'y', 's'), request('x-1', '2', 'x')]));
    await watched(event('MODIFIED', request('storm', '11', 's', 'y', 'z')));
    expect(['s', 'x', 'y', 'z'].map(namesOf)).toEqual([['storm'], ['x-1'], ['storm'], ['storm']]);
  });

  it('finds a storm once, however often it names a member', async () => {
    server.lists.push(page('10', [request('storm', '1', 's', 'y', 'y', 's')]));
    await watched();
    expect(['s', 'y'].map(namesOf)).toEqual([['storm'], ['storm']]);
  });

  it('shows what a call was answered with before the watch does', async () => {
    server.lists.push(page('10', []));
    await watched();
    index.observe(request('a-1', '100', 'a') as never);
    expect(namesOf('a')).toEqual(['a-1']);
    index.observe(request('a-1', '101', 'a') as never);
    expect(namesOf('a')).toEqual(['a-1']);
  });
});
