import { redisScript } from './redis-script';

/**
 * Records members of a storm and tells how many there are.
 *
 * KEYS: a hash with the counts `n` (members), `s` (of them resolved) and `r` (resources), the same of members whose names are
 * lost (`bn`, `bs`, `br`), `a` once there were any, `p` how many had been counted without this memory when it began, `m:<fingerprint>` (1 while it fires, else 0) and `r:<resource>`.
 * ARGV: how long it lives; then, as JSON, what the request says (`n`, `s`, `r`, `p`, `listed`) and `members`, each of these as
 * `f`ingerprint, `r`esource and `on`.
 * Answers alerts, resolved ones, resources, and 1 when that is approximate.
 */
export const membersScript = redisScript(`
local key = KEYS[1]
local input = cjson.decode(ARGV[2])
local n, s, r, bn, bs, br, a, p = unpack(redis.call('HMGET', key, 'n', 's', 'r', 'bn', 'bs', 'br', 'a', 'p'))
local isNew = not n
n, s, r, bn, bs, br = tonumber(n or 0), tonumber(s or 0), tonumber(r or 0), tonumber(bn or 0), tonumber(bs or 0), tonumber(br or 0)

local function add(member, wasCounted)
  n = n + 1
  if redis.call('HSETNX', key, 'r:' .. member.r, 1) == 1 then
    r = r + 1
    if wasCounted then br = math.max(0, br - 1) end
  end
  redis.call('HSET', key, 'm:' .. member.f, member.on and '1' or '0')
  if not member.on then s = s + 1 end
end

local function note(member)
  local before = redis.call('HGET', key, 'm:' .. member.f)
  if before then
    local after = member.on and '1' or '0'
    if before == after then return end
    s = s + (member.on and -1 or 1)
    redis.call('HSET', key, 'm:' .. member.f, after)
  elseif member.on then
    add(member, false)
  elseif bn > 0 then
    -- One of those whose names are lost; it had not resolved if any had not.
    bn = bn - 1
    bs = math.min(bs, bn)
    add(member, true)
  end
end

if isNew then
  bn, bs, br, p = input.n, input.s, input.r, input.p
  for _, member in ipairs(input.listed) do
    bn = math.max(0, bn - 1)
    if not member.on then bs = math.max(0, bs - 1) end
    add(member, true)
  end
end
-- Others count without this memory; and what was recorded here can be lost when another takes over.
local apart = input.p - p
if input.n > n + bn + apart then bn = input.n - n - apart end
if input.r > r + br then br = input.r - r end
if bn + apart > 0 then a = 1 end
for _, member in ipairs(input.members) do note(member) end

redis.call('HSET', key, 'n', n, 's', s, 'r', r, 'bn', bn, 'bs', bs, 'br', br, 'p', p)
if a then redis.call('HSET', key, 'a', 1) end
redis.call('PEXPIRE', key, ARGV[1])
return { n + bn + apart, s + bs, r + br, a and 1 or 0 }
`);
