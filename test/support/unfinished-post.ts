import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * Begins to post, and stops.
 * @param rest what comes after these headers: others, the empty line, the first bytes of a body
 * @param allowHalfOpen whether it keeps its side of the connection when the other side ends
 */
export async function beginPost(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  rest: string,
  allowHalfOpen = false,
): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen });
  await once(socket, 'connect');
  const lines = Object.entries({ host: 'gateway', 'content-type': 'application/json', ...headers });
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}${rest}`);
  return socket;
}
