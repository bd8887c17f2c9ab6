import { configMap, namesOf, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeLists(scope: ContractScope): void {
  const { id, home, requests, allRequests, configMaps, call, create } = scope;

  describe('a list', () => {
    it('finds by label, in sets and by absence, in all namespaces', async () => {
      const page = `page-${id}`;
      await create('red', {}, { color: 'red', page });
      await create('blue', {}, { color: 'blue', page });
      const find = async (selector: string) =>
        namesOf(await call('GET', `${allRequests}?labelSelector=${encodeURIComponent(selector)}`));
      expect(await find(`page=${page},color=red`)).toEqual(['red']);
      expect(await find(`page=${page},color!=red`)).toEqual(['blue']);
      expect(await find(`page=${page},color in (red,blue)`)).toEqual(['blue', 'red']);
      expect(await find(`page,page==${page},color notin (red)`)).toEqual(['blue']);
      expect(await find(`page=${page},!color`)).toEqual([]);
    });

    it('finds by name', async () => {
      await call('POST', configMaps, configMap('named'));
      expect(namesOf(await call('GET', `${configMaps}?fieldSelector=metadata.name%3Dnamed`))).toEqual(['named']);
      expect(namesOf(await call('GET', `${requests}?fieldSelector=metadata.name%3Dplain`))).toEqual(['plain']);
    });

    it('comes in pages', async () => {
      for (const name of ['page-1', 'page-2', 'page-3', 'page-4', 'page-5'])
        await call('POST', configMaps, configMap(name, {}, { labels: { of: 'pages' } }));
      const pages: string[][] = [];
      let token = '';
      let left: unknown;
      do {
        const answered = await call('GET', `${configMaps}?limit=2&continue=${token}`);
        pages.push(namesOf(answered));
        token = answered.body.metadata.continue ?? '';
        if (pages.length === 1) left = answered.body.metadata.remainingItemCount;
      } while (token !== '');
      const all = namesOf(await call('GET', configMaps));
      expect(pages.flat()).toEqual(all);
      expect(pages.slice(0, -1).every(({ length }) => length === 2)).toBe(true);
      expect(left).toBe(all.length - 2);
    });

    it('of a namespace that is not there is empty', async () => {
      expect(await call('GET', configMaps.replace(home, 'nowhere'))).toMatchObject({
        code: 200,
        body: { items: [] },
      });
    });
  });
}
