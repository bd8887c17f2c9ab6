import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Response = ServerResponse;
type Serve = (request: IncomingMessage, response: Response) => void;

/** Clients that send a request before the one before it is answered are rare, and none is so far ahead. */
const maxWaiting = 16;

/** The requests of one connection. */
class Line {
  isServing = false;
  readonly waiting: Response[] = [];
}

/** On the connection itself: every look into a weak map costs its garbage collection. */
const lineKey = Symbol('line');

interface Lined {
  [lineKey]: Line | undefined;
}

/**
 * Serves the requests of a connection one after the other, as other servers do, and ends connections on which more than 16 wait. Node reads
 * a thousand small requests at a time and has them all served at once, whether anybody reads the answers or not: a few connections
 * would fill the memory with these.
 * @param onTooMany hears of each connection that is ended, once, while it is known whose it is
 */
export function serveInTurn(server: Server, onTooMany: (socket: Socket) => void): void {
  const listeners = server.listeners('request') as Serve[];
  server.removeAllListeners('request');

  const serve: Serve = (request, response) => {
    response.on('close', answered);
    for (const listener of listeners) listener.call(server, request, response);
  };

  server.on('request', (request, response: Response) => {
    const { socket } = request;
    // What was read together with the one that was too many.
    if (socket.destroyed) return;
    const line = lineOf(socket);
    if (!line.isServing) {
      line.isServing = true;
      serve(request, response);
    } else if (line.waiting.length < maxWaiting) line.waiting.push(response);
    else {
      onTooMany(socket);
      socket.destroy();
    }
  });

  /** One function for all: one of each request is paid for by every webhook. */
  function answered(this: Response): void {
    const { socket } = this.req;
    if (socket.destroyed) return;
    const line = lineOf(socket);
    const next = line.waiting.shift();
    line.isServing = next !== undefined;
    if (next !== undefined) serve(next.req, next);
  }
}

function lineOf(socket: Socket): Line {
  return ((socket as Socket & Lined)[lineKey] ??= new Line());
}

/** The answer to the last whole request of a connection, beside the one that is being served. */
export function lastWaiting(socket: Socket): Response | undefined {
  return lineOf(socket).waiting.findLast(({ req }) => req.complete);
}
