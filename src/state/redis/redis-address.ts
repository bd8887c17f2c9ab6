const defaultPort = 6379;

/**
 * Splits `host`, `host:port` or `[ipv6]:port`.
 * @throws TypeError when it is none of these
 */
export function parseRedisAddress(addr: string): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${addr}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) };
}
