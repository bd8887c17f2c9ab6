import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Follows the connections of a server, also those that have not sent a request, or not come so far with TLS that it knows them.
 * @returns ends them all
 */
export function followConnections(server: Server): () => void {
  // With their addresses, asked for while they are there: of who resets the connection it cannot be told later.
  const sockets = new Map<Socket, string | undefined>();
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, socket.remoteAddress);
    socket.once('close', () => sockets.delete(socket));
  });
  return () => {
    server.closeAllConnections();
    for (const socket of sockets.keys()) socket.destroy();
  };
}
