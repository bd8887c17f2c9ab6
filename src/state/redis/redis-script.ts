import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly lua: string;
  /** The name under which Redis keeps the script. */
  readonly sha1: string;
  /** Values that it answers for each item; absent when that differs, or when it is about one item alone. */
  readonly valuesEach?: number;
}

export function redisScript(lua: string, valuesEach?: number): RedisScript {
  const sha1 = createHash('sha1').update(lua).digest('hex');
  return { lua, sha1, ...(valuesEach === undefined ? {} : { valuesEach }) };
}
