import { redisScript } from './redis-script';
import type { ScriptBatch, ScriptReply } from './script-batch';
import { ScriptQueue } from './script-queue';

const two = redisScript('two values for each key', 2);
const other = redisScript('one value for each key', 1);
const untold = redisScript('as many values as it likes');

const batchOf = (...keys: string[]): ScriptBatch => ({ keys, common: ['ttl'], each: keys.map((key) => [`${key}!`]) });

/** Answers every key with itself, as often as the script says. */
function echoing() {
  const sent: { lua: string; keys: readonly string[] }[] = [];
  const queue = new ScriptQueue((script, { keys }) => {
    sent.push({ lua: script.lua, keys });
    const times = script.valuesEach ?? 1;
    return Promise.resolve(keys.flatMap((key) => Array.from({ length: times }, () => key)) as ScriptReply);
  });
  return { queue, sent };
}

describe('ScriptQueue', () => {
  it('sends calls of one turn together, and gives each its part of the answer', async () => {
    const { queue, sent } = echoing();
    const answers = [queue.run(two, batchOf('a')), queue.run(two, batchOf('b', 'c')), queue.run(two, batchOf('d'))];
    expect(await Promise.all(answers)).toEqual([
      ['a', 'a'],
      ['b', 'b', 'c', 'c'],
      ['d', 'd'],
    ]);
    expect(sent).toEqual([{ lua: two.lua, keys: ['a', 'b', 'c', 'd'] }]);
  });

  it('sends what comes in a later turn by itself', async () => {
    const { queue, sent } = echoing();
    expect(await queue.run(two, batchOf('a'))).toEqual(['a', 'a']);
    expect(await queue.run(two, batchOf('b'))).toEqual(['b', 'b']);
    expect(sent.map(({ keys }) => keys)).toEqual([['a'], ['b']]);
  });

  it('keeps the order of the calls', async () => {
    const { queue, sent } = echoing();
    await Promise.all([
      queue.run(two, batchOf('a')),
      queue.run(other, batchOf('a')),
      queue.run(two, batchOf('a')),
      queue.run(two, batchOf('b')),
    ]);
    expect(sent).toEqual([
      { lua: two.lua, keys: ['a'] },
      { lua: other.lua, keys: ['a'] },
      { lua: two.lua, keys: ['a', 'b'] },
    ]);
  });

  it('sends alone what has other common arguments, and what does not say how long its answers are', async () => {
    const { queue, sent } = echoing();
    await Promise.all([
      queue.run(two, batchOf('a')),
      queue.run(two, { ...batchOf('b'), common: ['another ttl'] }),
      queue.run(untold, batchOf('c')),
      queue.run(untold, batchOf('d')),
    ]);
    expect(sent.map(({ keys }) => keys)).toEqual([['a'], ['b'], ['c'], ['d']]);
  });

  it('does not let one call grow without end', async () => {
    const { queue, sent } = echoing();
    const keys = Array.from({ length: 300 }, (_, i) => String(i));
    await Promise.all([queue.run(other, batchOf(...keys)), queue.run(other, batchOf(...keys))]);
    expect(sent.map((call) => call.keys.length)).toEqual([300, 300]);
  });

  it('fails all that were sent together, and nobody else', async () => {
    const queue = new ScriptQueue((_, { keys }) =>
      keys.includes('bad') ? Promise.reject(new Error('no')) : Promise.resolve([...keys]),
    );
    const settled = await Promise.allSettled([
      queue.run(other, batchOf('a')),
      queue.run(other, batchOf('bad')),
      queue.run(two, batchOf('b')),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  });
});
