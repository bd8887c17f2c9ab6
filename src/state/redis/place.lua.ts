import { maxBefore } from '../storm-windows';
import { redisScript } from './redis-script';

/**
 * Counts the new signals of groups and says which are part of a storm; `EmbeddedStormWindows` tells the same rules in TypeScript.
 *
 * KEYS: two per group: the sorted set of fingerprints by when they were first counted, and a hash with `type`, `openedAt` and
 * `lastMemberAt` of an open window, a field `o:<fingerprint>` for each signal that was counted before that, and `p:<fingerprint>` for each that may be part of a
 * pattern.
 * ARGV: rate threshold and window, pattern threshold and window, similarity, aggregation window, longest window, patterns
 * that are remembered; then per group, as JSON, its candidates (`f`ingerprint, `r`esource, `t`okens), its known window, and when
 * its last storm was over.
 * Answers an object per group: the `places` of each candidate (0 ordinary, 1 crossing, 2 member), the window, and the
 * fingerprints before the crossing.
 */
export const placeScript = redisScript(
  `
local rateThreshold, rateMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local patternThreshold, patternMs, similarity = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local quietMs, longestMs, remembered = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {}

local function isOpen(openedAt, lastMemberAt)
  return now - lastMemberAt < quietMs and now - openedAt < longestMs
end

local function setOf(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

local function alike(set, size, list)
  local shared = 0
  for _, item in ipairs(list) do if set[item] then shared = shared + 1 end end
  local all = size + #list - shared
  return all == 0 or shared / all >= similarity
end

local function patternsOf(windowKey)
  local patterns = {}
  local fields = redis.call('HGETALL', windowKey)
  for n = 1, #fields, 2 do
    if string.sub(fields[n], 1, 2) == 'p:' then
      local pattern = cjson.decode(fields[n + 1])
      if now - pattern.at < patternMs then
        pattern.f = string.sub(fields[n], 3)
        patterns[#patterns + 1] = pattern
      else
        redis.call('HDEL', windowKey, fields[n])
      end
    end
  end
  table.sort(patterns, function(a, b) return a.at < b.at or (a.at == b.at and a.f < b.f) end)
  return patterns
end

for g = 1, #KEYS / 2 do
  local rateKey, windowKey = KEYS[2 * g - 1], KEYS[2 * g]
  local group = cjson.decode(ARGV[8 + g])
  local kind, openedAt, lastMemberAt = unpack(redis.call('HMGET', windowKey, 'type', 'openedAt', 'lastMemberAt'))
  local open = kind and tonumber(openedAt) > (group.overSince or 0) and isOpen(openedAt, lastMemberAt)
  if not open and group.known and isOpen(group.known.openedAt, group.known.lastMemberAt) then
    open, kind, openedAt, lastMemberAt = true, group.known.type, group.known.openedAt, group.known.lastMemberAt
  end
  if kind and not open then redis.call('DEL', windowKey) end

  local places, before, patterns = {}, {}, nil
  for _, candidate in ipairs(group.candidates) do
    if open then
      local isOrdinary = redis.call('HGET', windowKey, 'o:' .. candidate.f)
      places[#places + 1] = isOrdinary and 0 or 2
      if not isOrdinary then lastMemberAt = now end
    else
      redis.call('ZREMRANGEBYSCORE', rateKey, '-inf', now - rateMs)
      redis.call('ZADD', rateKey, 'NX', now, candidate.f)
      local counted = redis.call('ZCARD', rateKey)

      patterns = patterns or patternsOf(windowKey)
      local others = {}
      for _, pattern in ipairs(patterns) do
        if pattern.f ~= candidate.f then others[#others + 1] = pattern end
      end
      patterns = others
      local tokens, resources, distinct, similar = setOf(candidate.t), { [candidate.r] = true }, 1, {}
      for _, pattern in ipairs(patterns) do
        if alike(tokens, #candidate.t, pattern.t) then
          similar[#similar + 1] = pattern.f
          if not resources[pattern.r] then resources[pattern.r], distinct = true, distinct + 1 end
        end
      end

      if counted > rateThreshold or distinct > patternThreshold then
        kind = counted > rateThreshold and 'rate' or 'pattern'
        local all = redis.call('ZRANGE', rateKey, 0, -1)
        for _, fingerprint in ipairs(kind == 'rate' and all or similar) do
          if fingerprint ~= candidate.f and #before < ${maxBefore} then before[#before + 1] = fingerprint end
        end
        redis.call('DEL', rateKey, windowKey)
        for _, earlier in ipairs({ all, similar }) do
          for _, fingerprint in ipairs(earlier) do
            if fingerprint ~= candidate.f then redis.call('HSET', windowKey, 'o:' .. fingerprint, 1) end
          end
        end
        open, openedAt, lastMemberAt, patterns = true, now, now, nil
        places[#places + 1] = 1
      else
        places[#places + 1] = 0
        patterns[#patterns + 1] = { f = candidate.f, r = candidate.r, t = candidate.t, at = now }
        redis.call('HSET', windowKey, 'p:' .. candidate.f, cjson.encode({ at = now, r = candidate.r, t = candidate.t }))
        if #patterns > remembered then
          redis.call('HDEL', windowKey, 'p:' .. patterns[1].f)
          table.remove(patterns, 1)
        end
      end
    end
  end

  local answer = { places = places }
  if open then
    redis.call('HSET', windowKey, 'type', kind, 'openedAt', openedAt, 'lastMemberAt', lastMemberAt)
    redis.call('PEXPIRE', windowKey, quietMs)
    answer.type, answer.openedAt, answer.lastMemberAt = kind, tonumber(openedAt), tonumber(lastMemberAt)
    if #before > 0 then answer.before = before end
  elseif #group.candidates > 0 then
    redis.call('PEXPIRE', rateKey, rateMs)
    redis.call('PEXPIRE', windowKey, patternMs)
  end
  reply[#reply + 1] = answer
end
return cjson.encode(reply)
`,
  1,
);
