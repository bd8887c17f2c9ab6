import type { Cluster, Redis } from 'ioredis';
import { isUnknownScript } from './redis-failure';
import type { RedisScript } from './redis-script';
import type { ScriptReply } from './script-batch';

/** Runs a script by its digest, and in full where that is not known. */
export async function evaluate(
  client: Redis | Cluster,
  script: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<ScriptReply> {
  try {
    return toReply(await client.evalsha(script.sha1, keys.length, ...keys, ...args));
  } catch (error) {
    if (!isUnknownScript(error as Error)) throw error;
    return evaluateInFull(client, script, keys, args);
  }
}

/** Runs a script by its text, by which Redis learns of its digest. */
export async function evaluateInFull(
  client: Redis | Cluster,
  { lua }: RedisScript,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<ScriptReply> {
  return toReply(await client.eval(lua, keys.length, ...keys, ...args));
}

function toReply(answer: unknown): ScriptReply {
  // Anything else is no answer of ours, and what cannot be parsed is an error.
  return answer === null ? [] : (JSON.parse(answer as string) as ScriptReply);
}
