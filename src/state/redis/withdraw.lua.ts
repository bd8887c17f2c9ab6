import { redisScript } from './redis-script';

/**
 * Takes tokens from a bucket, or puts some back when their number is negative. The key lives until the bucket is full.
 *
 * KEYS: the bucket. ARGV: tokens, capacity, tokens that come back in a minute.
 * Answers how many were granted, and if none, the milliseconds until there is one.
 */
export const withdrawScript = redisScript(`
local wanted, capacity, perMs = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] / 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tokens, at = unpack(redis.call('HMGET', KEYS[1], 'tokens', 'at'))
local left = capacity
if tokens then left = math.min(capacity, tokens + math.max(0, now - at) * perMs) end

local granted = wanted
if wanted > 0 then
  -- A token that is due is there, whatever the fractions say.
  local whole = math.floor(left + 0.000001)
  granted = math.min(wanted, whole, math.max(1, math.floor(whole / 4)))
end
left = math.min(capacity, left - granted)

redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', left), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - left) / perMs) + 1)
return cjson.encode({ granted, granted == 0 and math.ceil((1 - left) / perMs) or 0 })
`);
