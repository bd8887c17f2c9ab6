import { redisScript } from './redis-script';

/**
 * Forgets the windows of groups, and what was counted of them.
 *
 * KEYS: two per group. No arguments, no answer.
 */
export const closeScript = redisScript(`
redis.call('DEL', unpack(KEYS))
`);
