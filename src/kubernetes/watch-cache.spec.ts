import {
  page,
  ProgrammedCollection,
  sends,
  sendsAndBreaks,
  sendsAndEnds,
  status,
} from '../../test/support/programmed-collection';
import { RecordingLog } from '../../test/support/recording-log';
import { until } from '../../test/support/until';
import { KubernetesApi } from './kubernetes-api';
import { WatchCache } from './watch-cache';

/** How long the cache would have paused; nothing here waits for that. */
const mockPauses: number[] = [];
jest.mock('node:timers/promises', () => {
  const { setTimeout: delay } = jest.requireActual<typeof import('node:timers/promises')>('node:timers/promises');
  return {
    setTimeout(milliseconds: number, value: unknown, options: object) {
      if (milliseconds > 5) mockPauses.push(milliseconds);
      return delay(Math.min(milliseconds, 5), value, options);
    },
  };
});

const prod = (color: string, resourceVersion = '1') => object('prod', color, resourceVersion);
const object = (name: string, color: string, resourceVersion: string) => ({
  metadata: { name, resourceVersion, labels: { color } },
});
const event = (type: string, of: object) => ({ type, object: of });
const bookmark = (resourceVersion: string) => event('BOOKMARK', { metadata: { resourceVersion } });
const tooOld = event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });

describe('WatchCache', () => {
  let server: ProgrammedCollection;
  let api: KubernetesApi;
  let log: RecordingLog;
  let cache: WatchCache<string>;
  let changes: string[];

  beforeEach(async () => {
    mockPauses.length = 0;
    server = await ProgrammedCollection.start();
    log = new RecordingLog();
    api = await KubernetesApi.connect(
      { kubeconfig: '', context: '', server: server.url, connections: 2, callTimeoutMs: 2_000 },
      log,
    );
    changes = [];
    cache = cacheOf();
  });
  afterEach(async () => {
    await cache.stop();
    await api.close();
    await server.stop();
  });

  function cacheOf(selectors?: Record<string, string>): WatchCache<string> {
    const made = new WatchCache<string>({
      api,
      path: '/api/v1/namespaces',
      ...(selectors ? { selectors } : {}),
      keep: ({ metadata }) => metadata?.labels?.color ?? 'none',
      log,
    });
    made.onChange = (entry, previous) => void changes.push(`${previous ?? '-'} > ${entry ?? '-'}`);
    return made;
  }
  const color = (name = 'prod') => cache.get('', name);

  it('knows nothing before the first list, and says so', async () => {
    expect([cache.synced, cache.size, color()]).toEqual([false, 0, undefined]);
    server.lists.push(page('10', [prod('red')]));
    cache.start();
    await cache.whenSynced(new AbortController().signal);
    expect([cache.synced, cache.size, color(), color('other')]).toEqual([true, 1, 'red', undefined]);
    expect([...cache.values()]).toEqual(['red']);
  });

  it('reads a list page by page, and shows it only when it is whole', async () => {
    let seenInBetween: number | undefined;
    server.lists.push(page('10', [object('a', 'red', '1')], 'token/1'), (response) => {
      seenInBetween = cache.size;
      page('10', [object('b', 'blue', '2')])(response);
    });
    cache.start();
    await until(() => cache.synced);
    expect(server.queries('list')).toEqual([{ limit: '100' }, { limit: '100', continue: 'token/1' }]);
    expect(seenInBetween).toBe(0);
    expect([color('a'), color('b')]).toEqual(['red', 'blue']);
  });

  it('does not take the end of an object for that of one that was made again since', async () => {
    const tell = Promise.withResolvers<(type: string, of: object) => void>();
    server.lists.push(page('10', [prod('red', '9')]));
    server.watches.push((response) => {
      response.flushHeaders();
      tell.resolve((type, of) => response.write(`${JSON.stringify(event(type, of))}\n`));
    });
    cache.start();
    const says = await tell.promise;
    expect(cache.observe(prod('blue', '12'))).toBe('blue');
    says('DELETED', prod('red', '11'));
    says('ADDED', object('other', 'green', '13'));
    await until(() => color('other') === 'green');
    expect(color()).toBe('blue');
    says('DELETED', prod('blue', '14'));
    await until(() => color() === undefined);
    expect(changes).toEqual(['- > red', 'red > blue', '- > green', 'blue > -']);
  });

  it('believes the watch of a version more than an answer of ours, which says less of it', async () => {
    server.lists.push(page('10', []));
    server.watches.push(sends(event('ADDED', prod('red', '12'))));
    cache.start();
    await until(() => color() === 'red');
    expect(cache.observe(prod('as it was sent', '12'))).toBe('red');
    expect([color(), changes]).toEqual(['red', ['- > red']]);
  });

  it('takes null for an empty list, as servers have it that are asked for metadata alone', async () => {
    server.lists.push((response) => response.end('{"metadata":{"resourceVersion":"10"},"items":null}'));
    cache.start();
    await until(() => cache.synced);
    expect([cache.size, cache.failing]).toEqual([0, false]);
  });

  it('lists and watches what is selected, from where the list ended', async () => {
    cache = cacheOf({ fieldSelector: 'metadata.name=prod' });
    server.lists.push(page('10', []));
    cache.start();
    cache.start();
    await until(() => server.queries('watch').length === 1);
    expect(server.asked).toEqual([
      { verb: 'list', path: '/api/v1/namespaces', query: { fieldSelector: 'metadata.name=prod', limit: '100' } },
      {
        verb: 'watch',
        path: '/api/v1/namespaces',
        query: {
          fieldSelector: 'metadata.name=prod',
          watch: 'true',
          resourceVersion: '10',
          allowWatchBookmarks: 'true',
          timeoutSeconds: '290',
        },
      },
    ]);
  });

  it('follows what is added, changed and deleted', async () => {
    server.lists.push(page('10', [object('old', 'grey', '1')]));
    server.watches.push(
      sends(
        event('ADDED', prod('red', '11')),
        event('MODIFIED', prod('blue', '12')),
        event('DELETED', object('old', 'grey', '13')),
        event('DELETED', object('never-seen', 'grey', '14')),
      ),
    );
    cache.start();
    await until(() => changes.length === 5);
    expect(changes).toEqual(['- > grey', '- > red', 'red > blue', 'grey > -', '- > -']);
    expect([color(), color('old'), cache.size]).toEqual(['blue', undefined, 1]);
  });

  it('keeps objects of one name in two namespaces apart', async () => {
    const inNamespace = (namespace: string) => ({ metadata: { namespace, name: 'x', labels: { color: namespace } } });
    server.lists.push(page('10', [inNamespace('a'), inNamespace('b')]));
    cache.start();
    await until(() => cache.synced);
    expect([cache.get('a', 'x'), cache.get('b', 'x'), cache.get('', 'x')]).toEqual(['a', 'b', undefined]);
  });

  it('hands what it kept of an object to whoever reads it again', async () => {
    const counting = new WatchCache<number>({ api, path: '/x', keep: (_, before) => (before ?? 0) + 1, log });
    server.lists.push(page('10', [prod('red')]), page('20', [prod('red')]));
    server.watches.push(sendsAndEnds(event('MODIFIED', prod('red', '11')), tooOld));
    counting.start();
    await until(() => server.queries('watch').length === 2);
    expect(counting.get('', 'prod')).toBe(3);
    await counting.stop();
  });

  describe('goes on', () => {
    it('from the last bookmark when the server ends the watch', async () => {
      server.lists.push(page('10', [prod('red')]));
      server.watches.push(sendsAndEnds(event('MODIFIED', prod('blue', '11')), bookmark('500')));
      cache.start();
      await until(() => server.queries('watch').length === 2);
      expect(server.queries('watch').map(({ resourceVersion }) => resourceVersion)).toEqual(['10', '500']);
      expect(server.queries('list')).toHaveLength(1);
      expect(color()).toBe('blue');
      expect(log.lines).toEqual([]);
    });

    it('from the last event when the connection breaks in the middle of a line', async () => {
      server.lists.push(page('10', [prod('red')]));
      const half = JSON.stringify(event('MODIFIED', prod('green', '12'))).slice(0, 40);
      server.watches.push(
        sendsAndBreaks(event('MODIFIED', prod('blue', '11')), half),
        sends(event('MODIFIED', prod('green', '12'))),
      );
      cache.start();
      await until(() => color() === 'green');
      expect(server.queries('watch').map(({ resourceVersion }) => resourceVersion)).toEqual(['10', '11']);
      expect(changes).toEqual(['- > red', 'red > blue', 'blue > green']);
      expect(server.queries('list')).toHaveLength(1);
    });

    it.each([
      ['in the stream', sends(tooOld)],
      ['as a status', status(410, 'Expired')],
    ])('with a new list when its place is too old, said %s', async (_, answer) => {
      server.lists.push(page('10', [prod('red'), object('old', 'grey', '1')]), page('20', [prod('blue')]));
      server.watches.push(answer);
      cache.start();
      await until(() => server.queries('watch').length === 2);
      expect(server.queries('watch').map(({ resourceVersion }) => resourceVersion)).toEqual(['10', '20']);
      expect([color(), color('old')]).toEqual(['blue', undefined]);
      expect(changes).toEqual(['- > red', '- > grey', 'red > blue', 'grey > -']);
    });

    it('with a list from its first page when the token of a later page has expired', async () => {
      server.lists.push(
        page('10', [object('a', 'red', '1')], 'token'),
        status(410, 'Expired'),
        page('20', [object('b', 'blue', '2')]),
      );
      cache.start();
      await until(() => cache.synced);
      expect(server.queries('list').map((query) => query.continue)).toEqual([undefined, 'token', undefined]);
      expect([color('a'), color('b')]).toEqual([undefined, 'blue']);
    });

    it('after a line that is no JSON', async () => {
      server.lists.push(page('10', [prod('red')]));
      server.watches.push(
        sends(event('MODIFIED', prod('blue', '11')), 'garbage\n', event('MODIFIED', prod('never', '12'))),
        sends(event('MODIFIED', prod('green', '12'))),
      );
      cache.start();
      await until(() => color() === 'green');
      expect(server.queries('watch').map(({ resourceVersion }) => resourceVersion)).toEqual(['10', '11']);
      expect(changes).not.toContain('blue > never');
    });

    it('with a new list when the watch fails at the same place again and again', async () => {
      server.lists.push(page('10', [prod('red')]), page('20', [prod('blue')]));
      server.watches.push(sends('garbage\n'), sends('garbage\n'));
      cache.start();
      await until(() => color() === 'blue');
      expect(
        server
          .queries('watch')
          .map(({ resourceVersion }) => resourceVersion)
          .slice(0, 2),
      ).toEqual(['10', '10']);
    });

    it('after an error of the server in the stream', async () => {
      server.lists.push(page('10', [prod('red')]));
      server.watches.push(
        sends(event('ERROR', { kind: 'Status', code: 500, message: 'etcdserver: leader changed' })),
        sends(event('MODIFIED', prod('blue', '11'))),
      );
      cache.start();
      await until(() => color() === 'blue');
      expect(server.queries('list')).toHaveLength(1);
    });

    it('after a line that never ends', async () => {
      server.lists.push(page('10', [prod('red')]));
      server.watches.push(sends('x'.repeat(9 * 1024 * 1024)), sends(event('MODIFIED', prod('blue', '11'))));
      cache.start();
      await until(() => color() === 'blue');
      expect(log.lines[0]).toMatchObject({ fields: { reason: 'the watch sent a line that never ends' } });
    });

    it('after a watch that fell silent', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'Date'] });
      try {
        server.lists.push(page('10', [prod('red')]));
        server.watches.push(sends(bookmark('11')));
        cache.start();
        await until(() => cache.synced && server.queries('watch').length === 1);
        jest.advanceTimersByTime(330_000);
        await until(() => server.queries('watch').length === 2);
        expect(server.queries('list')).toHaveLength(1);
      } finally {
        jest.useRealTimers();
      }
    });
  });

  describe('reads the stream', () => {
    beforeEach(() => void server.lists.push(page('10', [])));

    it.each(['\u2028', '\u2029', '\u0085', '\\n', '\\r\\n', '漢字 😀'])('with %j inside a text', async (text) => {
      const line = JSON.stringify(event('ADDED', prod('@', '11'))).replace('@', text);
      server.watches.push(sends(`${line}\n`));
      cache.start();
      await until(() => cache.size === 1);
      expect(color()).toBe(JSON.parse(`"${text}"`));
    });

    it('when an event, and a character in it, arrive in pieces', async () => {
      const lines = Buffer.from(
        `${JSON.stringify(event('ADDED', object('first', 'red', '11')))}\n${JSON.stringify(event('ADDED', prod('漢', '12')))}\n`,
      );
      const middle = lines.indexOf('漢') + 1;
      server.watches.push((response) => {
        response.write(lines.subarray(0, middle));
        void until(() => cache.size === 1).then(() => response.write(lines.subarray(middle)));
      });
      cache.start();
      await until(() => cache.size === 2);
      expect([color('first'), color()]).toEqual(['red', '漢']);
    });

    it('when many events arrive at once, with empty lines between them', async () => {
      const events = Array.from({ length: 1_000 }, (_, i) => event('ADDED', object(`n${i}`, 'red', `${11 + i}`)));
      server.watches.push(sends(events.map((one) => `${JSON.stringify(one)}\n\n`).join('')));
      cache.start();
      await until(() => cache.size === 1_000);
      expect(color('n999')).toBe('red');
    });
  });

  describe('while the server fails', () => {
    it('shows what was last known', async () => {
      server.lists.push(page('10', [prod('red')]));
      server.watches.push(sendsAndBreaks(), status(503), status(503));
      cache.start();
      await until(() => cache.failing);
      expect([cache.synced, color()]).toEqual([true, 'red']);
    });

    it('is not synced before a list succeeded', async () => {
      server.lists.push(status(500), status(403), status(429), page('10', [prod('red')]));
      cache.start();
      await until(() => server.queries('list').length === 3);
      expect([cache.synced, cache.failing]).toEqual([false, true]);
      await until(() => cache.synced);
      expect([cache.failing, color()]).toEqual([false, 'red']);
    });

    it('logs that it is interrupted and that it recovered, once each', async () => {
      server.lists.push(status(500), status(500), status(500), page('10', []));
      cache.start();
      await until(() => server.queries('watch').length === 1 && !cache.failing);
      expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
        'warn watch interrupted',
        'info watch recovered',
      ]);
    });

    it('asks again in growing steps, at most every 10 seconds, each shortened by chance', async () => {
      server.lists.push(...Array.from({ length: 9 }, () => status(403)), page('10', []));
      cache.start();
      await until(() => cache.synced);
      const steps = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
      expect(mockPauses).toHaveLength(steps.length);
      for (const [i, step] of steps.entries()) {
        expect(mockPauses[i]).toBeGreaterThanOrEqual(step / 2);
        expect(mockPauses[i]).toBeLessThanOrEqual(step);
      }
    });

    it('begins with short steps again once an event came through', async () => {
      server.lists.push(page('10', []));
      for (let i = 0; i < 8; i++) server.watches.push(sendsAndBreaks(event('MODIFIED', prod('red', `${11 + i}`))));
      cache.start();
      await until(() => server.queries('watch').length === 9);
      expect(Math.max(...mockPauses)).toBeLessThanOrEqual(200);
    });
  });

  describe('whenSynced', () => {
    it('fails when the signal aborts first, and does not stop the cache', async () => {
      const deadline = new AbortController();
      const waiting = cache.whenSynced(deadline.signal);
      deadline.abort();
      await expect(waiting).rejects.toThrow('the deadline has passed');
      await expect(cache.whenSynced(AbortSignal.abort())).rejects.toThrow('the deadline has passed');

      server.lists.push(page('10', []));
      cache.start();
      await expect(cache.whenSynced(new AbortController().signal)).resolves.toBeUndefined();
    });

    it('succeeds at once when the list is read, even past the deadline', async () => {
      server.lists.push(page('10', []));
      cache.start();
      await until(() => cache.synced);
      await expect(cache.whenSynced(AbortSignal.abort())).resolves.toBeUndefined();
    });
  });

  describe('stop', () => {
    it('ends an open watch for good, and may be called twice', async () => {
      server.lists.push(page('10', [prod('red')]));
      cache.start();
      await until(() => server.queries('watch').length === 1);
      await cache.stop();
      await cache.stop();
      const asked = server.asked.length;
      await until(() => true);
      expect(server.asked).toHaveLength(asked);
      expect(color()).toBe('red');
      expect(log.lines).toEqual([]);
    });

    it('ends a list that is not answered', async () => {
      server.lists.push(() => undefined);
      cache.start();
      await until(() => server.asked.length === 1);
      await cache.stop();
      expect(cache.synced).toBe(false);
    });

    it('ends a cache that was never started', async () => {
      await expect(cache.stop()).resolves.toBeUndefined();
    });
  });

  it('counts the time since the server was last heard of', async () => {
    server.lists.push(page('10', []));
    cache.start();
    await until(() => cache.synced);
    const silent = cache.silentForMs;
    expect(silent).toBeGreaterThanOrEqual(0);
    await until(() => cache.silentForMs > silent);
  });
});
