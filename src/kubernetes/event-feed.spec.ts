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
import { EventFeed, type EventBatch } from './event-feed';
import { KubernetesApi } from './kubernetes-api';

jest.mock('node:timers/promises', () => {
  const { setTimeout: delay } = jest.requireActual<typeof import('node:timers/promises')>('node:timers/promises');
  return {
    setTimeout: (milliseconds: number, value: unknown, options: object) =>
      delay(Math.min(milliseconds, 5), value, options),
  };
});

const event = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion } });
const added = (name: string, resourceVersion: string) => ({ type: 'ADDED', object: event(name, resourceVersion) });
const modified = (name: string, resourceVersion: string) => ({
  type: 'MODIFIED',
  object: event(name, resourceVersion),
});
const deleted = (name: string, resourceVersion: string) => ({ type: 'DELETED', object: event(name, resourceVersion) });
const bookmark = (resourceVersion: string) => ({ type: 'BOOKMARK', object: { metadata: { resourceVersion } } });
const tooOld = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } };

describe('EventFeed', () => {
  let server: ProgrammedCollection;
  let api: KubernetesApi;
  let log: RecordingLog;
  let feed: EventFeed;
  let ended: AbortController;
  let read: EventBatch[];
  let reading: Promise<void> | undefined;

  beforeEach(async () => {
    server = await ProgrammedCollection.start();
    log = new RecordingLog();
    api = await KubernetesApi.connect(
      { kubeconfig: '', context: '', server: server.url, connections: 2, callTimeoutMs: 2_000 },
      log,
    );
    feed = new EventFeed(api, log);
    ended = new AbortController();
    read = [];
  });
  afterEach(async () => {
    ended.abort();
    await reading;
    await api.close();
    await server.stop();
  });

  const follow = (after?: string) => {
    reading = (async () => {
      for await (const batch of feed.follow(after, ended.signal)) read.push(batch);
    })();
  };
  const names = () => read.flatMap(({ events }) => events.map(({ metadata }) => metadata?.name));
  const versions = () => server.queries('watch').map(({ resourceVersion }) => resourceVersion);

  it('begins with what is written from now on, and asks for no normal events', async () => {
    server.lists.push(page('10', [event('old', '9')], 'more'));
    server.watches.push(sends(added('a', '11'), modified('a', '12')));
    follow();
    await until(() => names().length === 2);
    expect(names()).toEqual(['a', 'a']);
    expect(server.queries('list')).toEqual([{ fieldSelector: 'type!=Normal', limit: '1' }]);
    expect(server.queries('watch')).toEqual([
      expect.objectContaining({ fieldSelector: 'type!=Normal', resourceVersion: '10', allowWatchBookmarks: 'true' }),
    ]);
    expect(read.at(-1)?.resourceVersion).toBe('12');
  });

  it('begins there also when it cannot be told at first where that is', async () => {
    server.lists.push(status(503), page('10', [event('old', '9')], 'more'));
    server.watches.push(sends(added('a', '11')));
    follow();
    await until(() => names().length === 1);
    expect(names()).toEqual(['a']);
    expect(versions()[0]).toBe('10');
  });

  it('goes on after the version that it is given, without a list', async () => {
    server.watches.push(sends(added('b', '43')));
    follow('42');
    await until(() => names().length === 1);
    expect([versions(), server.queries('list')]).toEqual([['42'], []]);
  });

  it('goes on where a watch ended or broke, bookmarks and deletions included', async () => {
    server.watches.push(
      sendsAndEnds(added('a', '43'), bookmark('50')),
      sendsAndBreaks(deleted('a', '60')),
      sends(added('b', '61')),
    );
    follow('42');
    await until(() => names().includes('b'));
    expect(versions()).toEqual(['42', '50', '60']);
    expect(names()).toEqual(['a', 'b']);
  });

  it('reads what was written since, in its order, when the server does not reach back', async () => {
    server.watches.push(sendsAndEnds(tooOld), sends(added('d', '71')));
    server.lists.push(page('60', [event('c', '55'), event('old', '42')], 'x'), page('70', [event('b', '44')]));
    follow('42');
    await until(() => names().includes('d'));
    expect(names()).toEqual(['b', 'c', 'd']);
    expect(versions()).toEqual(['42', '70']);
    expect(server.queries('list').map(({ limit }) => limit)).toEqual(['500', '500']);
  });

  it('reads all that there is in a cluster that was restored to an earlier state', async () => {
    const ahead = status(504, 'Timeout');
    server.watches.push(ahead, ahead, ahead, sends());
    server.lists.push(page('10', [event('b', '9'), event('a', '8')]));
    follow('42');
    await until(() => versions().at(-1) === '10');
    expect(names()).toEqual(['a', 'b']);
  });

  it('says once that it is interrupted, and once that it goes on', async () => {
    server.watches.push(status(500), status(500), sends(added('a', '43')));
    follow('42');
    await until(() => names().length === 1);
    expect(log.messages).toEqual(['watch interrupted', 'watch recovered']);
    expect(feed.failing).toBe(false);
  });

  it('reads no further while the batch before is being processed', async () => {
    server.watches.push(sendsAndEnds(added('a', '43')), sends(added('b', '44')));
    const batches = feed.follow('42', ended.signal);
    const first = await batches.next();
    expect(first.value?.resourceVersion).toBe('43');
    expect(versions()).toEqual(['42']);
    const second = await batches.next();
    expect(second.value?.resourceVersion).toBe('44');
  });
});
