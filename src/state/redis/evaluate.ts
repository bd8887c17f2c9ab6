import type { Cluster, Redis } from 'ioredis';
import { isUnknownScript } from './redis-failure';
import type { RedisScript } from './redis-script';
import type { ScriptReply } from './script-batch';

/** Runs a script by its digest, and in full where that is not known. */
export async function evaluate(
  client: Redis | Cluster,
  { lua, sha1 }: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<ScriptReply> {
  try {
    return (await client.evalsha(sha1, keys.length, ...keys, ...args)) as ScriptReply;
  } catch (error) {
    if (!isUnknownScript(error as Error)) throw error;
    return (await client.eval(lua, keys.length, ...keys, ...args)) as ScriptReply;
  }
}
