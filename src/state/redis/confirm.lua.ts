import { redisScript } from './redis-script';

/**
 * Turns claims into entries. One that was confirmed with the same token already stays as it is, so that a confirmation
 * can be repeated.
 *
 * KEYS: one per fingerprint. ARGV: ttl (ms), then four per key: token, request, known count or 0, known firstSeen or ''.
 * Answers three values per key: count, firstSeen, lastSeen; false where somebody else holds the key.
 */
export const confirmScript = redisScript(`
local ttl = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {}

local function answer(count, firstSeen, lastSeen)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = count, firstSeen, lastSeen
end

for i, key in ipairs(KEYS) do
  local token, request, knownCount, knownFirstSeen = unpack(ARGV, 4 * i - 2, 4 * i + 1)
  local holder, count, firstSeen, lastSeen = unpack(redis.call('HMGET', key, 'token', 'count', 'firstSeen', 'lastSeen'))
  if holder and holder ~= token then
    answer(false, false, false)
  elseif count then
    answer(count, firstSeen, lastSeen)
  else
    count = knownCount + 1
    firstSeen = knownFirstSeen ~= '' and knownFirstSeen or now
    redis.call('HSET', key, 'token', token, 'request', request, 'count', count, 'firstSeen', firstSeen, 'lastSeen', now)
    redis.call('PEXPIRE', key, ttl)
    answer(count, firstSeen, now)
  end
end
return reply
`);
