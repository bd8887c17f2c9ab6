import { setTimeout as delay } from 'node:timers/promises';
import { readRedisTls } from '../../src/state/redis/redis-tls';
import { StateUnavailableError } from '../../src/state/signal-state';
import { Certificates } from '../support/certificates';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { aFingerprint, aRequest } from '../support/incident';
import { connectState, type ConnectedState } from '../support/redis-client';
import { RedisCluster } from '../support/redis-cluster';

function claim({ state }: ConnectedState, ...fingerprints: string[]) {
  return state.claim(fingerprints.map((fingerprint) => ({ fingerprint })));
}

async function remember(opened: ConnectedState, fingerprint: string) {
  const [claimed] = await claim(opened, fingerprint);
  const { token } = claimed as { token: string };
  await opened.state.confirm([{ fingerprint, token, request: aRequest() }]);
}

describe('the shared memory in a Redis Cluster', () => {
  let cluster: RedisCluster;
  let opened: ConnectedState;

  beforeAll(async () => {
    cluster = await RedisCluster.start();
  }, 60_000);
  beforeEach(async () => {
    opened = connectState({ addr: '', clusterNodes: cluster.addrs.slice(0, 2) });
    await opened.connection.whenUp();
  });
  afterEach(() => opened.close());
  afterAll(() => cluster.stop());

  it('spreads a batch over the nodes, and answers at the index of the question', async () => {
    const fingerprints = Array.from({ length: 200 }, () => aFingerprint());
    const claims = await claim(opened, ...fingerprints);
    expect(claims.map(({ fingerprint }) => fingerprint)).toEqual(fingerprints);
    expect(new Set(claims.map(({ outcome }) => outcome))).toEqual(new Set(['new']));
    const { token } = claims[0] as { token: string };
    const confirmations = fingerprints.map((fingerprint) => ({ fingerprint, token, request: aRequest() }));
    await opened.state.confirm(confirmations);
    const entries = await opened.state.find(fingerprints);
    expect(entries).toMatchObject(confirmations.map(({ request }) => ({ request })));
    const sizes = await Promise.all(cluster.nodes.map((node) => node.command('DBSIZE')));
    expect(sizes.filter((size) => Number(size) > 0).length).toBeGreaterThanOrEqual(3);
  });

  it('follows a slot that moves, without a failure', async () => {
    const fingerprints = Array.from({ length: 20 }, () => aFingerprint());
    for (const fingerprint of fingerprints) await remember(opened, fingerprint);
    const moved = new AbortController();
    const claims = (async () => {
      while (!moved.signal.aborted) {
        const outcomes = (await claim(opened, ...fingerprints)).map(({ outcome }) => outcome);
        expect(new Set(outcomes)).toEqual(new Set(['duplicate']));
      }
    })();
    for (const fingerprint of fingerprints) await cluster.move(`gateway:v1:{${fingerprint}}`);
    moved.abort();
    await claims;
    expect(opened.changes).toEqual([{ up: true }]);
  });

  it('says why it cannot be used, and is used when it can', async () => {
    for (const node of cluster.nodes) await node.command('CONFIG', 'SET', 'requirepass', 'secret');
    const late = connectState({ addr: '', clusterNodes: cluster.addrs });
    try {
      await eventually(() => expect(late.connection.status).toMatchObject({ reason: 'a password is required' }));
      for (const node of cluster.nodes) await node.withPassword('secret').command('CONFIG', 'SET', 'requirepass', '');
      await late.connection.whenUp();
      expect(late.changes.map(({ up }) => up)).toEqual([false, true]);
    } finally {
      await late.close();
    }
  });
});

describe('a Redis Cluster over TLS', () => {
  it('is spoken to with certificates, and one that asks for more than we have hurts nobody', async () => {
    const certificates = new Certificates();
    const server = certificates.issue('redis');
    const client = certificates.issue('gateway');
    const files = { caFile: certificates.ca, certFile: client.cert, keyFile: client.key, serverName: '' };
    const tlsPorts: number[] = [];
    const cluster = await RedisCluster.start(async () => {
      const port = await freePort();
      tlsPorts.push(port);
      return {
        'tls-port': String(port),
        'tls-cert-file': server.cert,
        'tls-key-file': server.key,
        'tls-ca-cert-file': certificates.ca,
        'tls-auth-clients': 'yes',
        'tls-cluster': 'yes',
        'tls-replication': 'yes',
      };
    });
    const place = { addr: '', clusterNodes: tlsPorts.map((port) => `127.0.0.1:${port}`) };
    const opened = connectState({ ...place, tls: readRedisTls(files) });
    const without = connectState({ ...place, tls: readRedisTls({ ...files, certFile: '', keyFile: '' }) });
    try {
      await opened.connection.whenUp();
      const fingerprints = Array.from({ length: 20 }, () => aFingerprint());
      const claims = await claim(opened, ...fingerprints);
      expect(new Set(claims.map(({ outcome }) => outcome))).toEqual(new Set(['new']));
      await eventually(() => expect(without.changes.map(({ up }) => up)).toEqual([false]));
      await delay(1_000);
      expect(without.connection.status.up).toBe(false);
    } finally {
      await Promise.all([opened.close(), without.close()]);
      await cluster.stop();
      certificates.remove();
    }
  }, 60_000);
});

describe('a Redis Cluster that loses a primary', () => {
  it.each(['is killed', 'hangs'])(
    'is used again when it %s and its replica has taken over',
    async (how) => {
      const cluster = await RedisCluster.start();
      const opened = connectState({ addr: '', clusterNodes: cluster.addrs.slice(0, 2), commandTimeoutMs: 1_000 });
      try {
        await opened.connection.whenUp();
        const fingerprint = aFingerprint();
        await remember(opened, fingerprint);
        const primary = await cluster.primaryOf(`gateway:v1:{${fingerprint}}`);
        await primary.replicated();
        if (how === 'is killed') await primary.stop();
        else primary.pause();

        const failures: unknown[] = [];
        let worst = 0;
        const answer = await eventually(async () => {
          const begin = performance.now();
          try {
            return await claim(opened, fingerprint, aFingerprint(), aFingerprint());
          } catch (error) {
            failures.push(error);
            throw error;
          } finally {
            worst = Math.max(worst, performance.now() - begin);
          }
        }, 30_000);
        expect(answer).toMatchObject([{ outcome: 'duplicate' }, { outcome: 'new' }, { outcome: 'new' }]);
        expect(failures).not.toHaveLength(0);
        for (const failure of failures) expect(failure).toBeInstanceOf(StateUnavailableError);
        expect(worst).toBeLessThan(4_000);
        // Told once each, though other nodes answered all the time.
        expect(opened.turns).toEqual([true, false, true]);
      } finally {
        await opened.close();
        await cluster.stop();
      }
    },
    60_000,
  );
});
