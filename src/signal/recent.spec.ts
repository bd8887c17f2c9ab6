import { Recent } from './recent';

describe('Recent', () => {
  it('makes what it remembers once, also what is undefined', () => {
    const recent = new Recent<string, number | undefined>(10);
    const make = jest.fn((text: string) => (text === '' ? undefined : text.length));
    expect([recent.of('four', make), recent.of('four', make)]).toEqual([4, 4]);
    expect([recent.of('', make), recent.of('', make)]).toEqual([undefined, undefined]);
    expect(make.mock.calls).toEqual([['four'], ['']]);
  });

  it('forgets when it is full', () => {
    const recent = new Recent<number, number>(2);
    const make = jest.fn((key: number) => key);
    for (const key of [1, 2, 1, 3, 1, 3]) expect(recent.of(key, make)).toBe(key);
    expect(make.mock.calls.flat()).toEqual([1, 2, 3, 1]);
  });
});
