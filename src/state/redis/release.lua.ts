import { redisScript } from './redis-script';

/**
 * Gives bare claims back; an entry, and a claim of somebody else, stay.
 *
 * KEYS: one per fingerprint. ARGV: its token for each. No answer.
 */
export const releaseScript = redisScript(`
for i, key in ipairs(KEYS) do
  local holder, request = unpack(redis.call('HMGET', key, 'token', 'request'))
  if holder == ARGV[i] and not request then redis.call('DEL', key) end
end
`);
