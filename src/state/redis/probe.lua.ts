import { redisScript } from './redis-script';

/**
 * What the operations need of Redis, tried on a key of its own: that it runs scripts, may be written to and has memory.
 *
 * KEYS: the key. No arguments, no answer.
 */
export const probeScript = redisScript(`
local time = redis.call('TIME')
redis.call('HMGET', KEYS[1], 'at')
redis.call('HSET', KEYS[1], 'at', time[1])
redis.call('PEXPIRE', KEYS[1], 1000)
`);
