import { AsyncLocalStorage } from 'node:async_hooks';
import { outsideRequests } from './outside-requests';

it('begins work that knows of no request, also where that calls back later', async () => {
  const requests = new AsyncLocalStorage<string>();
  const later = Promise.withResolvers<string | undefined>();
  const now = requests.run('r-1', () =>
    outsideRequests(() => {
      setTimeout(() => later.resolve(requests.getStore()), 1);
      return [requests.getStore()];
    }),
  );
  expect(now).toEqual([undefined]);
  expect(await later.promise).toBeUndefined();
});
