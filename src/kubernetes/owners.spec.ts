import { page, ProgrammedCollection, sends } from '../../test/support/programmed-collection';
import { RecordingLog } from '../../test/support/recording-log';
import { deadlineIn } from '../deadline';
import { KubernetesApi } from './kubernetes-api';
import { Owners } from './owners';

interface Controller {
  readonly kind: string;
  readonly name: string;
  readonly apiVersion: string;
}

const object = (name: string, controller?: Controller) => ({
  metadata: {
    name,
    namespace: 'shop',
    resourceVersion: '5',
    ownerReferences: controller === undefined ? [] : [{ ...controller, uid: name, controller: true }],
  },
});

/** Nothing on the way up checks what an object says of its owner. */
describe('Owners', () => {
  let server: ProgrammedCollection;
  let api: KubernetesApi;
  let owners: Owners;

  beforeEach(async () => {
    server = await ProgrammedCollection.start();
    const options = { kubeconfig: '', context: '', server: server.url, connections: 2, callTimeoutMs: 2_000 };
    api = await KubernetesApi.connect(options, new RecordingLog());
    owners = new Owners(api, new RecordingLog());
  });
  afterEach(async () => {
    for (const cache of Object.values(owners.caches)) await cache.stop();
    await api.close();
    await server.stop();
  });

  /** Pods alone are watched here: of the others, the watch shows what `observe` is told. */
  const watch = async (...pods: object[]) => {
    server.lists.push(page('10', pods));
    server.watches.push(sends());
    owners.caches.Pod.start();
    await owners.caches.Pod.whenSynced(deadlineIn(5_000).signal);
  };
  const pod = (name: string) => ({ kind: 'Pod', name, apiVersion: 'v1' });

  it('leaves by itself a pod that names itself', async () => {
    await watch(object('p', pod('p')));
    expect(owners.peek('shop', pod('p'))).toEqual({ by: 'watch' });
  });

  it('leaves by themselves pods that name each other', async () => {
    await watch(object('p', pod('q')), object('q', pod('p')));
    expect(owners.peek('shop', pod('p'))).toEqual({ by: 'watch' });
    expect(owners.peek('shop', pod('q'))).toEqual({ by: 'watch' });
  });

  it('takes what has a kind of a known name in another group for the workload', async () => {
    const job = { kind: 'Job', name: 'train', apiVersion: 'batch.volcano.sh/v1alpha1' };
    await watch(object('p', job));
    expect(owners.peek('shop', pod('p'))).toEqual({ owner: job, by: 'watch' });
  });

  it('does not tell of one in the group that is watched while that watch shows nothing', async () => {
    await watch(object('p', { kind: 'Job', name: 'train', apiVersion: 'batch/v1' }));
    expect(owners.peek('shop', pod('p'))).toBeUndefined();
  });
});
