import { redisScript } from './redis-script';

/**
 * Reads entries without counting a sighting.
 *
 * KEYS: one per fingerprint. Answers five values per key: request, count, firstSeen, lastSeen, token; false where there is none. A bare claim
 * has a token alone, which is `''` when it was given back and its object may appear.
 */
export const findScript = redisScript(
  `
local reply = {}
for _, key in ipairs(KEYS) do
  for _, value in ipairs(redis.call('HMGET', key, 'request', 'count', 'firstSeen', 'lastSeen', 'token')) do
    reply[#reply + 1] = value
  end
end
return cjson.encode(reply)
`,
  5,
);
