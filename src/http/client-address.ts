import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** As some proxies write whom they speak for, although the header has addresses alone. */
const withPort = /^(?:\[([^\]]+)\]|([^:]+)):\d+$/;

/**
 * The address of who sends a request: of the connection, or what a trusted proxy says of its own. What is no address is not believed: a
 * sender would be another one with each text.
 */
export function clientAddress(request: Pick<FastifyRequest, 'ip'> & { readonly raw: FastifyRequest['raw'] }): string {
  const { ip } = request;
  if (isIP(ip) !== 0) return ip;
  const [, v6, v4] = withPort.exec(ip) ?? [];
  const address = v6 ?? v4 ?? '';
  return isIP(address) === 0 ? (request.raw.socket.remoteAddress ?? '') : address;
}
