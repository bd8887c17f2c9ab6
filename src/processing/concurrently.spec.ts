import { setImmediate as nextTurn } from 'node:timers/promises';
import { concurrently } from './concurrently';

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('concurrently', () => {
  it('answers at the index of the question, however long each takes', async () => {
    const late = async (item: number) => {
      for (let turns = item % 3; turns > 0; turns--) await nextTurn();
      return 10 * item;
    };
    expect(await concurrently(numbers(40), late)).toEqual(numbers(40).map((item) => 10 * item));
    expect(await concurrently([7], late)).toEqual([70]);
    expect(await concurrently([], late)).toEqual([]);
  });

  it('begins in their order, with 16 under way at the most', async () => {
    const begun: number[] = [];
    const gates = new Map<number, () => void>();
    const all = concurrently(numbers(18), async (item) => {
      begun.push(item);
      await new Promise<void>((resolve) => gates.set(item, resolve));
    });
    expect(begun).toEqual(numbers(16));
    gates.get(5)?.();
    await nextTurn();
    expect(begun).toEqual(numbers(17));
    for (const item of numbers(18)) {
      gates.get(item)?.();
      await nextTurn();
    }
    await all;
    expect(begun).toEqual(numbers(18));
  });

  it('does not wait for what is made at once', async () => {
    const begun: number[] = [];
    const all = concurrently(numbers(40), (item) => begun.push(item));
    expect(begun).toEqual(numbers(40));
    expect(await all).toEqual(numbers(40).map((item) => item + 1));
  });

  it('begins no more after the first that fails', async () => {
    const begun: number[] = [];
    const failing = concurrently(numbers(40), async (item) => {
      begun.push(item);
      await nextTurn();
      if (item === 3) throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    await nextTurn();
    await nextTurn();
    expect(begun.length).toBeLessThan(40);
  });
});
