import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * Begins to post, and stops.
 * @param rest what comes after these headers: others, the empty line, the first bytes of a body
 */
export async function beginPost(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  rest: string,
): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const lines = Object.entries({ host: 'gateway', 'content-type': 'application/json', ...headers });
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}${rest}`);
  return socket;
}
