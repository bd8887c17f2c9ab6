import { register } from 'prom-client';
import { TalliedCounter } from './tallied-counter';

describe('TalliedCounter', () => {
  let made = 0;
  const aCounter = <L extends string>(...labels: L[]) =>
    new TalliedCounter(`spec_${++made}_total`, 'For a spec.', labels);
  const shown = async (counter: TalliedCounter<string>) => (await counter.get()).values;
  afterAll(() => register.clear());

  it('shows at each scrape what was counted since the process began', async () => {
    const counter = aCounter('method', 'status');
    counter.count({ method: 'POST', status: '201' });
    counter.count({ method: 'POST', status: '202' }, 3);
    counter.count({ status: '201', method: 'POST' });
    const values = [
      { labels: { method: 'POST', status: '201' }, value: 2 },
      { labels: { method: 'POST', status: '202' }, value: 3 },
    ];
    expect(await shown(counter)).toEqual(values);
    expect(await shown(counter)).toEqual(values);
    counter.count({ method: 'POST', status: '201' });
    expect((await shown(counter))[0]?.value).toBe(3);
  });

  it('keeps values apart that read the same when they are joined', async () => {
    const counter = aCounter('a', 'b');
    counter.count({ a: 'x', b: 'yz' });
    counter.count({ a: 'xy', b: 'z' });
    counter.count({ a: 'xyz' });
    expect((await shown(counter)).map(({ value }) => value)).toEqual([1, 1, 1]);
  });

  it('is not changed by what becomes of the labels that it was given', async () => {
    const counter = aCounter('a');
    const labels = { a: 'x' };
    counter.count(labels);
    labels.a = 'y';
    expect(await shown(counter)).toEqual([{ labels: { a: 'x' }, value: 1 }]);
  });

  it('shows 0 before anything was counted when it has no labels', async () => {
    const counter = aCounter();
    expect(await shown(counter)).toEqual([{ labels: {}, value: 0 }]);
    counter.count({});
    expect(await shown(counter)).toEqual([{ labels: {}, value: 1 }]);
  });

  it('refuses a label that it does not have when it is scraped', async () => {
    const counter: TalliedCounter<string> = aCounter('a');
    counter.count({ b: 'x' });
    await expect(counter.get()).rejects.toThrow('b');
  });
});
