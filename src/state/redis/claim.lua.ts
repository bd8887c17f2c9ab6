import { redisScript } from './redis-script';

/**
 * Claims fingerprints, or counts a sighting of those that have an entry.
 *
 * A key is a hash. A bare claim is `token` alone and lives as long as its lease, so whoever finds it finds it held; one of nobody, `''`, is free. An
 * entry has `request`, `count`, `firstSeen` and `lastSeen` as well, the token that confirmed it, and a `ttl` that is not the usual. To claim again with the
 * same token changes nothing, so that a claim may be sent twice.
 *
 * KEYS: one per fingerprint. ARGV: ttl, lease (ms), then per key its token and the request that is over, or ''.
 * Answers five values per key: request, count, firstSeen, lastSeen of an entry, else false; the rest of a lease, else 0.
 */
export const claimScript = redisScript(
  `
local ttl, lease = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {}

local function answer(request, count, firstSeen, lastSeen, held)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = request, count, firstSeen, lastSeen, held
end

for i, key in ipairs(KEYS) do
  local token, over = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local holder, request, count, firstSeen, life = unpack(redis.call('HMGET', key, 'token', 'request', 'count', 'firstSeen', 'ttl'))
  if holder and holder ~= token and not request and holder ~= '' then
    answer(false, false, false, false, math.max(redis.call('PTTL', key), 1))
  elseif request and request ~= over then
    redis.call('HSET', key, 'count', count + 1, 'lastSeen', now)
    redis.call('PEXPIRE', key, life or ttl)
    answer(request, count + 1, firstSeen, now, 0)
  else
    if request then redis.call('DEL', key) end
    redis.call('HSET', key, 'token', token)
    redis.call('PEXPIRE', key, lease)
    answer(false, false, false, false, 0)
  end
end
return cjson.encode(reply)
`,
  5,
);
