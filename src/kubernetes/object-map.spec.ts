import { ObjectMap } from './object-map';

describe('ObjectMap', () => {
  it('finds each by its namespace and its name, and forgets a namespace with its last', () => {
    const objects = new ObjectMap<number>();
    objects.set('a', 'x', 1);
    objects.set('a', 'y', 2);
    objects.set('b', 'x', 3);
    objects.set('', 'a', 4);
    objects.set('a', 'x', 5);
    objects.delete('b', 'x');
    objects.delete('b', 'x');
    objects.delete('a', 'unknown');
    expect([objects.get('a', 'x'), objects.get('b', 'x'), objects.get('a', 'unknown')]).toEqual([
      5,
      undefined,
      undefined,
    ]);
    expect(objects.size).toBe(3);
    expect([...objects.entries()]).toEqual([
      ['a', 'x', 5],
      ['a', 'y', 2],
      ['', 'a', 4],
    ]);
  });
});
