import type { WatchEvent } from '../support/api-under-test';
import { configMap, shown, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeWatches(scope: ContractScope): void {
  const { requests, configMaps, call, merge, create, eventsOf } = scope;

  describe('a watch', () => {
    const watchPath = (collection: string, query: Record<string, string>) =>
      `${collection}?${new URLSearchParams({ watch: 'true', ...query }).toString()}`;
    const version = async (collection = requests): Promise<string> =>
      (await call('GET', collection)).body.metadata.resourceVersion as string;

    it('goes on from a version, and sees objects enter and leave a selector', async () => {
      const path = watchPath(requests, {
        resourceVersion: await version(),
        labelSelector: 'watched=yes',
        timeoutSeconds: '3',
      });
      const watched = eventsOf(path);
      await create('unwatched');
      await create('watched', {}, { watched: 'yes' });
      await merge(`${requests}/watched`, { metadata: { labels: { more: 'x' } } });
      await merge(`${requests}/watched`, { metadata: { labels: { watched: 'no' } } });
      await merge(`${requests}/watched`, { metadata: { labels: { watched: 'yes' } } });
      await call('DELETE', `${requests}/watched`);
      expect((await watched).map(shown)).toEqual([
        'ADDED watched',
        'MODIFIED watched',
        'DELETED watched',
        'ADDED watched',
        'DELETED watched',
      ]);
    });

    it('shows what happened between the list and its beginning', async () => {
      const resourceVersion = await version(configMaps);
      await call('POST', configMaps, configMap('between'));
      await call('DELETE', `${configMaps}/between`);
      const events = await eventsOf(watchPath(configMaps, { resourceVersion, timeoutSeconds: '1' }));
      expect(events.map(shown)).toEqual(['ADDED between', 'DELETED between']);
      const [added, deleted] = events.map(({ object }) => Number(object.metadata.resourceVersion));
      expect(deleted).toBeGreaterThan(added!);
    });

    it('begins with what is there when it names no version', async () => {
      await call('POST', configMaps, configMap('there', {}, { labels: { there: 'yes' } }));
      const query = { labelSelector: 'there=yes', timeoutSeconds: '1' };
      expect((await eventsOf(watchPath(configMaps, query))).map(shown)).toEqual(['ADDED there']);
    });

    it('of one object sees no other', async () => {
      const resourceVersion = await version(configMaps);
      await call('POST', configMaps, configMap('one'));
      await call('POST', configMaps, configMap('other'));
      const query = { resourceVersion, fieldSelector: 'metadata.name=one', timeoutSeconds: '1' };
      expect((await eventsOf(watchPath(configMaps, query))).map(shown)).toEqual(['ADDED one']);
    });

    it('gets a bookmark about two seconds before its time is over, if it wants any', async () => {
      const query = { resourceVersion: await version(configMaps), timeoutSeconds: '6' };
      const bookmarked = (async () => {
        const events: { readonly event: WatchEvent; readonly at: number }[] = [];
        for await (const event of scope.api.watch(watchPath(configMaps, { ...query, allowWatchBookmarks: 'true' })))
          events.push({ event, at: Date.now() });
        return { events, end: Date.now() };
      })();
      const plain = eventsOf(watchPath(configMaps, query));
      const { body } = await call('POST', configMaps, configMap('bookmarked'));
      expect((await plain).map(({ type }) => type)).toEqual(['ADDED']);
      const { events, end } = await bookmarked;
      // The real server sends an earlier one as well at times.
      const [first, ...bookmarks] = events.map(({ event }) => event.type);
      expect([first, ...new Set(bookmarks)]).toEqual(['ADDED', 'BOOKMARK']);
      const { event, at } = events.at(-1)!;
      expect(event.object).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
      expect(Number(event.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(
        Number(body.metadata.resourceVersion),
      );
      // It looks about once a second for watches whose time it is.
      expect(end - at).toBeGreaterThan(200);
      expect(end - at).toBeLessThan(3_500);
    });

    it('says 410 in an event when what came after its version is forgotten', async () => {
      const [event, ...more] = await eventsOf(watchPath(requests, { resourceVersion: '1', timeoutSeconds: '5' }));
      expect(event).toMatchObject({
        type: 'ERROR',
        object: {
          kind: 'Status',
          status: 'Failure',
          reason: 'Expired',
          code: 410,
          message: expect.stringMatching(/^too old resource version: 1 \(\d+\)$/),
        },
      });
      expect(more).toEqual([]);
    });
  });
}
