import { setTimeout as delay } from 'node:timers/promises';
import { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { Lease, type Term } from '../../src/kubernetes/lease';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { standaloneObjects } from '../../src/standalone/standalone';
import { eventually } from '../support/eventually';
import { FaultyApi, statusFault } from '../support/faulty-api';
import { RecordingLog } from '../support/recording-log';

const path = '/apis/coordination.k8s.io/v1/namespaces/kubernaut-system/leases/watcher';

/** Replicas that want one lease, each by its own way to the API server. */
describe('Lease', () => {
  let server: KubernetesApiServer;
  const replicas: Replica[] = [];

  class Replica {
    readonly log = new RecordingLog();
    /** The terms that it has served, the running one last. */
    readonly terms: { left: Readonly<Record<string, string>>; over: boolean; term: Term }[] = [];

    private constructor(
      readonly way: FaultyApi,
      private readonly api: KubernetesApi,
      readonly lease: Lease,
    ) {}

    /** @param work what it does in a term before that is over */
    static async start(work: () => Promise<void> = () => Promise.resolve()): Promise<Replica> {
      const way = await FaultyApi.start(server.url);
      const log = new RecordingLog();
      const api = await KubernetesApi.connect(
        { kubeconfig: '', context: '', server: way.url, connections: 2, callTimeoutMs: 300 },
        log,
      );
      const lease = new Lease(
        api,
        { namespace: 'kubernaut-system', name: 'watcher', durationMs: 2_000, renewMs: 100 },
        log,
      );
      const replica = new Replica(way, api, lease);
      lease.start(async (term) => {
        const served = { left: term.left, over: false, term };
        replica.terms.push(served);
        await work();
        await new Promise((resolve) => term.signal.addEventListener('abort', resolve, { once: true }));
        served.over = true;
      });
      replicas.push(replica);
      return replica;
    }

    async stop(): Promise<void> {
      await this.lease.stop();
      await this.api.close();
      await this.way.close();
    }
  }

  beforeEach(async () => {
    server = await startKubernetesApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      tokens: [],
      objects: standaloneObjects(),
    });
  });
  afterEach(async () => {
    await Promise.all(replicas.splice(0).map((replica) => replica.stop()));
    await server.close();
  });

  const holders = () => replicas.filter(({ lease }) => lease.held);
  const found = async () => (await (await fetch(server.url + path)).json()) as { spec: { holderIdentity: string } };

  it('is held by one of many, who keeps it', async () => {
    await Promise.all([Replica.start(), Replica.start(), Replica.start()]);
    await eventually(() => expect(holders()).toHaveLength(1));
    const [holder] = holders();
    for (let i = 0; i < 15; i++) {
      await delay(100);
      expect(holders()).toEqual([holder]);
    }
    expect((await found()).spec.holderIdentity).toBe(holder?.lease.identity);
  });

  it('passes at once when its holder stops, with what that left', async () => {
    const first = await Replica.start();
    await eventually(() => expect(first.terms).toHaveLength(1));
    first.terms[0]?.term.leave({ until: '42' });
    const second = await Replica.start();
    await first.lease.stop();
    expect(first.terms[0]?.over).toBe(true);
    await eventually(() => expect(second.terms).toHaveLength(1));
    expect(second.terms[0]?.left).toMatchObject({ until: '42' });
  });

  it('passes when its holder falls silent, who has stopped by then', async () => {
    const first = await Replica.start();
    await eventually(() => expect(first.terms).toHaveLength(1));
    first.terms[0]?.term.leave({ until: '42' });
    const second = await Replica.start();
    await delay(300);
    first.way.fail({}, 'hang', Infinity);
    await eventually(() => expect(second.terms).toHaveLength(1));
    // It saw that it could not renew the lease, before anybody else could have it.
    expect(first.terms[0]?.over).toBe(true);
    expect(second.terms[0]?.left).toMatchObject({ until: '42' });
    expect(first.lease.held).toBe(false);
  });

  it('survives a short outage, and says once that it cannot be asked for', async () => {
    const only = await Replica.start();
    await eventually(() => expect(only.terms).toHaveLength(1));
    only.way.fail({ method: 'PUT' }, statusFault(500), 2);
    await delay(700);
    expect([only.terms.length, only.lease.held]).toEqual([1, true]);
  });

  it('listens to its work while it renews: a failure ends the term, and no process', async () => {
    const working = Promise.withResolvers<void>();
    const renewing = Promise.withResolvers<void>();
    const { way, terms } = await Replica.start(() => working.promise);
    await eventually(() => expect(terms).toHaveLength(1));
    way.fail({ method: 'PUT' }, { before: () => (renewing.resolve(), delay(200)) });
    await renewing.promise;
    working.reject(new Error('work failed'));
    // Jest fails a spec at whose end nobody has listened to a failure.
    await new Promise((resolve) => setImmediate(resolve));
    expect(terms[0]?.term.signal.aborted).toBe(true);
  });

  it('ends the term of a holder from whom somebody took it', async () => {
    const only = await Replica.start();
    await eventually(() => expect(only.terms).toHaveLength(1));
    await fetch(server.url + path, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({ spec: { holderIdentity: 'thief' } }),
    });
    await eventually(() => expect(only.terms[0]?.over).toBe(true));
    // The thief does not renew it.
    await eventually(() => expect(only.terms).toHaveLength(2));
  });
});
