/**
 * What is wrong with how Redis bounds its memory, from its answer to `INFO memory`; `undefined` when nothing is.
 *
 * What the gateway keeps there expires by itself and may be evicted: it is found in the cluster again.
 */
export function memoryWarning(info: string): string | undefined {
  const limit = /^maxmemory:(\d+)/m.exec(info)?.[1];
  const policy = /^maxmemory_policy:([a-z-]+)/m.exec(info)?.[1];
  if (limit === '0') return 'Redis has no memory limit: set maxmemory, and maxmemory-policy volatile-ttl';
  if (limit !== undefined && policy === 'noeviction')
    return 'Redis refuses writes when its memory is full (maxmemory-policy noeviction): set volatile-ttl';
  return undefined;
}
