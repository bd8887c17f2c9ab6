import { redisScript } from './redis-script';

/**
 * Turns claims into entries. One that was confirmed with the same token already stays as it is, so that a confirmation
 * can be repeated.
 *
 * KEYS: one per fingerprint. ARGV: ttl (ms), then five per key: token, request, known count or 0, known firstSeen or '', and a
 * ttl of its own or ''.
 * Answers three values per key: count, firstSeen, lastSeen; false where somebody else holds the key.
 */
export const confirmScript = redisScript(
  `
local ttl = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {}

local function answer(count, firstSeen, lastSeen)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = count, firstSeen, lastSeen
end

for i, key in ipairs(KEYS) do
  local token, request, knownCount, knownFirstSeen, life = unpack(ARGV, 5 * i - 3, 5 * i + 1)
  local holder, count, firstSeen, lastSeen = unpack(redis.call('HMGET', key, 'token', 'count', 'firstSeen', 'lastSeen'))
  if holder and holder ~= token and holder ~= '' then
    answer(false, false, false)
  elseif count then
    answer(count, firstSeen, lastSeen)
  else
    count = knownCount + 1
    firstSeen = knownFirstSeen ~= '' and knownFirstSeen or now
    redis.call('HSET', key, 'token', token, 'request', request, 'count', count, 'firstSeen', firstSeen, 'lastSeen', now)
    if life ~= '' then redis.call('HSET', key, 'ttl', life) end
    redis.call('PEXPIRE', key, life ~= '' and life or ttl)
    answer(count, firstSeen, now)
  end
end
return cjson.encode(reply)
`,
  3,
);
