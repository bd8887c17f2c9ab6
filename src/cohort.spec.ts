import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Cohort } from './cohort';

describe('Cohort', () => {
  let cohort: Cohort;
  let done: string[];

  beforeEach(() => {
    cohort = new Cohort();
    done = [];
  });
  const join = (name: string) => cohort.join(() => done.push(name));

  it('goes on with who came alone when the turn of the event loop ends', async () => {
    join('alone');
    process.nextTick(() => done.push('what the turn still brings'));
    await Promise.resolve();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['what the turn still brings', 'alone']);
  });

  it('takes each step for all before the next one, in the order of joining', async () => {
    for (const name of ['a', 'b', 'c'])
      cohort.join(() => {
        done.push(`${name}1`);
        void Promise.resolve().then(() => done.push(`${name}2`));
      });
    await turns(2);
    expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });

  it('waits a turn more while others keep joining, and no longer', async () => {
    join('1');
    join('2');
    await nextTurn();
    join('3');
    await nextTurn();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['1', '2', '3']);
  });

  it('waits for three turns more at the most', async () => {
    for (let i = 1; done.length === 0; i++) {
      join(`${i}`);
      join(`${i}, too`);
      await nextTurn();
    }
    expect(done).toEqual(['1', '1, too', '2', '2, too', '3', '3, too', '4', '4, too']);
    done = [];
    join('alone');
    await nextTurn();
    expect(done).toEqual(['alone']);
  });

  it('leaves who joins while it goes on to the next one', async () => {
    cohort.join(() => join('later'));
    await nextTurn();
    expect(done).toEqual([]);
    await nextTurn();
    expect(done).toEqual(['later']);
  });

  it('belongs to none of those who joined', async () => {
    const scope = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const look = () => seen.push(scope.getStore());
    scope.run('the first', () => cohort.join(look));
    scope.run('the second', () => cohort.join(look));
    await turns(2);
    expect(seen).toEqual([undefined, undefined]);
  });
});

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}
