import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { atEndOfTurn } from './turn';

describe('atEndOfTurn', () => {
  it('goes on with what a turn brought when it ends, in the order of coming', async () => {
    const done: string[] = [];
    atEndOfTurn(() => done.push('first'));
    await Promise.resolve();
    process.nextTick(() => done.push('tick'));
    atEndOfTurn(() => done.push('second'));
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['tick', 'first', 'second']);
  });

  it('takes each step for all before the next one', async () => {
    const done: string[] = [];
    for (const name of ['a', 'b', 'c'])
      atEndOfTurn(() => {
        done.push(`${name}1`);
        void Promise.resolve().then(() => done.push(`${name}2`));
      });
    await nextTurn();
    expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });

  it('leaves what they hand in to the next turn', async () => {
    const done: string[] = [];
    atEndOfTurn(() => atEndOfTurn(() => done.push('later')));
    await nextTurn();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['later']);
  });

  it('belongs to none of those who handed something in', async () => {
    const scope = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    scope.run('whose turn it is', () => atEndOfTurn(() => seen.push(scope.getStore())));
    await nextTurn();
    expect(seen).toEqual([undefined]);
  });
});
