import { redisScript } from './redis-script';

/**
 * Gives bare claims back; an entry, and a claim of somebody else, stay.
 *
 * KEYS: one per fingerprint. ARGV: how long one stands that its object may appear (ms), then two per key: its token, and 1 when that may. No answer.
 */
export const releaseScript = redisScript(`
for i, key in ipairs(KEYS) do
  local holder, request = unpack(redis.call('HMGET', key, 'token', 'request'))
  if holder == ARGV[2 * i] and not request then
    if ARGV[2 * i + 1] == '1' then
      redis.call('HSET', key, 'token', '')
      redis.call('PEXPIRE', key, ARGV[1])
    else
      redis.call('DEL', key)
    end
  end
end
`);
