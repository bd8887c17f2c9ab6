import { maxAlertsOfMember, maxNamedMembers, unknownAlert } from '../storm-members';
import { redisScript } from './redis-script';

/**
 * Records members of a storm and tells how many there are; `EmbeddedStormMembers` tells the same rules in TypeScript.
 *
 * KEYS: a hash with the counts `n` (named members), `s` (of them resolved) and `r` (resources), the same of members whose names
 * are lost (`bn`, `bs`, `br`), `l` until when those had joined, `q` 1 when that was long ago, `d` members that may be two, `a` once there were any, `v` its version, `p` the writes without it,
 * `m:<fingerprint>`: the alerts that fire, as JSON by when they began, `e:<fingerprint>`: when it resolved, and `r:<resource>`.
 * ARGV: how long it lives; then, as JSON, what the request says (`n`, `s`, `r`, `v`, `p`, `l`, `q`, `d`, `listed`, `all` 1 when those are all), `members`: each with
 * `f`ingerprint, `r`esource, `on`, alert `x`, time `t`, `w`hen it was said, and whether that is `again`; and the fingerprints `asked`.
 * Answers alerts, resolved ones, resources, 1 when that is approximate, how many may be two, the version, and of each of the members, and of who is asked for, 1 while it fires,
 * 0 when it has resolved, -1 when it is none.
 */
export const membersScript = redisScript(`
local key = KEYS[1]
local input = cjson.decode(ARGV[2])
local fields = { 'n', 's', 'r', 'bn', 'bs', 'br', 'l', 'q', 'd', 'v', 'p', 'a' }
local c = {}
for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do c[fields[i]] = tonumber(value or 0) end

local function save(f, alerts) redis.call('HSET', key, 'm:' .. f, next(alerts) and cjson.encode(alerts) or '{}') end

-- Of these members, those that have no name: each of several alerts of one is told.
local unnamed = {}

local function add(member, alerts, wasCounted)
  if c.n >= ${maxNamedMembers} then
    if not wasCounted and not unnamed[member.f] then c.bn = c.bn + 1 end
    unnamed[member.f] = true
    return
  end
  if wasCounted then
    c.bn = math.max(0, c.bn - 1)
    c.bs = math.min(c.bs, c.bn)
  end
  c.n = c.n + 1
  if redis.call('HSETNX', key, 'r:' .. member.r, 1) == 1 then
    c.r = c.r + 1
    if wasCounted then c.br = math.max(0, c.br - 1) end
  end
  if not next(alerts) then c.s = c.s + 1 end
  save(member.f, alerts)
end

local function fires(member, alerts)
  if not alerts then
    if c.bn > 0 and c.q == 0 and member.t <= c.l then c.d = c.d + 1 end
    add(member, { [member.x] = member.x ~= '${unknownAlert}' and member.t or 0 }, c.bn > 0 and c.q == 1 and member.t <= c.l)
    return
  end
  if next(alerts) then
    if member.x == '${unknownAlert}' or member.again then return end
  elseif member.w < tonumber(redis.call('HGET', key, 'e:' .. member.f) or 1) then return end
  local before = cjson.encode(alerts)
  if not next(alerts) then c.s = c.s - 1 end
  if member.x == '${unknownAlert}' then return save(member.f, { [member.x] = 0 }) end
  alerts['${unknownAlert}'] = nil
  local count = 0
  for _ in pairs(alerts) do count = count + 1 end
  if alerts[member.x] or count < ${maxAlertsOfMember} then
    alerts[member.x] = math.max(alerts[member.x] or 0, member.t)
  end
  if cjson.encode(alerts) ~= before then save(member.f, alerts) end
end

-- Senders' clocks may be ahead.
local function saveEnd(member) redis.call('HSET', key, 'e:' .. member.f, math.min(member.t, member.w)) end

local function resolves(member, alerts)
  if not alerts then
    if c.bn > 0 then
      add(member, {}, true)
      saveEnd(member)
    end
    return
  end
  local alert = alerts[member.x] and member.x or '${unknownAlert}'
  local since = alerts[alert]
  if not since or member.t < since then return end
  alerts[alert] = nil
  if not next(alerts) then
    c.s = c.s + 1
    saveEnd(member)
  end
  save(member.f, alerts)
end

if c.n + c.bn == 0 or input.p > c.p or input.v > c.v or input.n > c.n + c.bn then
  redis.call('DEL', key)
  c = { n = 0, s = 0, r = 0, bn = input.n, bs = input.s, br = input.r, l = input.l, q = input.q, d = input.d, v = math.max(c.v, input.v), p = input.p, a = c.a }
  for _, member in ipairs(input.listed) do
    if not member.on then c.bs = math.max(0, c.bs - 1) end
    add(member, member.on and { ['${unknownAlert}'] = 0 } or {}, true)
  end
  if input.all == 1 then c.d = c.bn end
end
if c.bn > 0 then c.a = 1 end
for _, member in ipairs(input.members) do
  local known = redis.call('HGET', key, 'm:' .. member.f)
  local alerts = known and cjson.decode(known)
  if member.on then fires(member, alerts) else resolves(member, alerts) end
end

if #input.members > 0 then c.v = c.v + 1 end
local all = {}
for _, name in ipairs(fields) do
  all[#all + 1] = name
  all[#all + 1] = c[name]
end
redis.call('HSET', key, unpack(all))
redis.call('PEXPIRE', key, ARGV[1])
local resolved = c.s + c.bs
if c.s == c.n and c.bn - c.bs <= c.d then resolved = c.n + c.bn end
local reply = { c.n + c.bn, resolved, c.r + c.br, c.a, c.d, c.v }
for _, member in ipairs(input.members) do
  local known = redis.call('HGET', key, 'm:' .. member.f)
  reply[#reply + 1] = known and (known == '{}' and 0 or 1) or (member.on and 1 or -1)
end
for _, fingerprint in ipairs(input.asked) do
  local known = redis.call('HGET', key, 'm:' .. fingerprint)
  reply[#reply + 1] = known and (known == '{}' and 0 or 1) or -1
end
return cjson.encode(reply)
`);
