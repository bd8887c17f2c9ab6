import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly lua: string;
  /** The name under which Redis keeps the script. */
  readonly sha1: string;
}

export function redisScript(lua: string): RedisScript {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
