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

type Lined = Socket & { [lineKey]: Line | undefined };

export interface LineListener {
  /** A connection is ended, for too many wait on it. */
  readonly tooMany: (socket: Socket) => void;
  /** A request whose connection ended before its turn. */
  readonly dropped: (request: IncomingMessage) => void;
}

/**
 * Serves the requests of a connection one after the other, as other servers do, and ends connections on which more than 16 wait. Node reads
 * a thousand small requests at a time and has them all served at once, whether anybody reads the answers or not: a few connections
 * would fill the memory with these.
 */
export function serveInTurn(server: Server, { tooMany, dropped }: LineListener): void {
  const listeners = server.listeners('request') as Serve[];
  server.removeAllListeners('request');

  const serve: Serve = (request, response) => {
    response.on('close', answered);
    for (const listener of listeners) listener.call(server, request, response);
  };

  server.on('request', (request, response: Response) => {
    const { socket } = request;
    // It was told that nothing more is served, or it is being ended.
    if (!socket.writable) return;
    const line = (lined(socket)[lineKey] ??= begun(socket));
    if (!line.isServing) {
      line.isServing = true;
      serve(request, response);
    } else if (line.waiting.length < maxWaiting) line.waiting.push(response);
    else {
      tooMany(socket);
      socket.destroy();
    }
  });

  /** One function for all: one of each request is paid for by every webhook. */
  function answered(this: Response): void {
    const { socket } = this.req;
    const line = lined(socket)[lineKey];
    if (line === undefined || !socket.writable) return;
    const next = line.waiting.shift();
    line.isServing = next !== undefined;
    if (next !== undefined) serve(next.req, next);
  }

  function begun(socket: Socket): Line {
    const line = new Line();
    socket.once('close', () => {
      for (const { req } of line.waiting.splice(0)) dropped(req);
    });
    return line;
  }
}

/** The answer to the last whole request of a connection, beside the one that is being served. */
export function lastWaiting(socket: Socket): Response | undefined {
  return lined(socket)[lineKey]?.waiting.findLast(({ req }) => req.complete);
}

/** Whether another request of this connection waits for its turn. */
export function isFollowed(socket: Socket): boolean {
  return (lined(socket)[lineKey]?.waiting.length ?? 0) > 0;
}

function lined(socket: Socket): Lined {
  return socket as Lined;
}
