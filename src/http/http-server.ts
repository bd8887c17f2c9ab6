import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fastify, type FastifyHttpOptions, type FastifyInstance, type FastifyReply } from 'fastify';
import { clientAddress } from './client-address';
import { lastWaiting, serveInTurn } from './pipelining';
import { problem, type ProblemKind } from './problem';
import { scopeIfAny, type RequestScope } from './request-scope';
import type { TlsPair } from './server-tls';
import { hangUpOnLongBodies } from './unread-bodies';

export interface HttpServerOptions {
  /** Milliseconds in which a whole request must have been received. */
  readonly readTimeout: number;
  /** Milliseconds that an answer may stand still. */
  readonly writeTimeout: number;
  /** Milliseconds that an idle connection is kept. */
  readonly idleTimeout: number;
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
  /** Addresses whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/** As other servers call the status of who hung up before there was one. */
export const hungUp = 499;

/** What was refused before there was a request, or dropped before its turn. */
export interface Unreadable {
  readonly requestId: string;
  readonly clientIp: string;
  readonly status: number;
  /** What was wrong, as the sender is told. */
  readonly reason: string;
}

/** A connection knows which answer it is about to carry, and which request it is in; Node has no other names for that. */
type Answering = Socket & {
  readonly _httpMessage?: ServerResponse | null;
  /** What reads it, and which request that is in. */
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null;
};

/**
 * What becomes of a connection that cannot be read any further: nobody is there to be told; what came before is answered; its request is
 * refused already, and told; it is refused.
 */
type Fate = 'drop' | 'finish' | 'leave' | 'refuse';

/** How often Node looks whether a request takes too long to arrive; its own 30 s would stretch a shorter limit. */
const checkIntervalMs = 1_000;

/**
 * The HTTP server with its limits; what it serves is added by others.
 * @param onUnreadable hears of what was refused before there was a request
 * @param tls absent: plain HTTP
 */
export function createHttpServer(
  options: HttpServerOptions,
  onUnreadable: (refused: Unreadable) => void,
  tls?: TlsPair,
): FastifyInstance {
  const http = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.readTimeout,
    connectionsCheckingInterval: checkIntervalMs,
    // Refused in the shape of all others (request-lifecycle.ts).
    requireHostHeader: false,
  };
  const common: FastifyHttpOptions<Server> = {
    logger: false,
    bodyLimit: options.maxBodyBytes,
    connectionTimeout: options.writeTimeout,
    requestTimeout: options.readTimeout,
    keepAliveTimeout: options.idleTimeout,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    // In-flight requests are awaited when it closes; keep-alive connections without one are not.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Kept as they are: nothing assigns a parsed key to an object.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    routerOptions: { ignoreTrailingSlash: false },
    // What the router refuses before there is a route, such as a path that cannot be decoded.
    frameworkErrors(_error, request, reply: FastifyReply) {
      hangUpOnLongBodies(request, reply);
      const { status, body, requestId } = refuse(
        'malformed-body',
        'The path of the request is malformed',
        clientAddress(request),
      );
      void reply
        .status(status)
        .header('content-type', 'application/problem+json; charset=utf-8')
        .header('x-request-id', requestId)
        .send(body);
    },
    clientErrorHandler(error, socket) {
      switch (fateOf(socket, error.code)) {
        case 'drop':
          socket.destroy();
          return;
        case 'finish':
          endAfterAnswers(socket);
          return;
        case 'leave':
          return;
        case 'refuse': {
          const [kind, detail] = unreadable(error.code);
          const { _httpMessage: answering } = socket as Answering;
          const scope = answering == null ? undefined : scopeIfAny({ raw: answering.req });
          const refused = refuse(kind, detail, socket.remoteAddress ?? '', scope);
          // Its sender may keep the connection.
          scope?.room?.hangUp();
          scope?.waiting?.hangUp();
          // The headers of an answer that has begun cannot be taken back.
          if (answering?.headersSent === true) socket.destroy();
          else write(refused, socket);
        }
      }
    },
  };

  /** The answer to what has no request, or to a request that cannot be read to its end, whose end is told with that. */
  function refuse(kind: ProblemKind, detail: string, clientIp: string, scope?: RequestScope) {
    const requestId = scope?.requestId ?? randomUUID();
    const refusal = problem(kind, detail);
    const { status, title } = refusal;
    if (scope === undefined) onUnreadable({ requestId, clientIp, status, reason: detail });
    else Object.assign(scope, { refusedWith: status, problem: kind });
    return {
      status,
      title,
      requestId,
      body: JSON.stringify({ ...refusal, request_id: requestId, processing_time_ms: 0 }),
    };
  }

  /** Where there is no response to send it with. */
  function write({ status, title, body, requestId }: ReturnType<typeof refuse>, socket: Duplex): void {
    const head = [
      `HTTP/1.1 ${status} ${title}`,
      'content-type: application/problem+json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      'connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  }

  const https = { ...http, ...tls, minVersion: 'TLSv1.2' as const, handshakeTimeout: options.readTimeout };
  const served = fastify(
    tls === undefined ? { ...common, http } : ({ ...common, https } as FastifyHttpOptions<Server>),
  );
  serveInTurn(served.server, {
    tooMany: ({ remoteAddress = '' }) =>
      refuse('overloaded', 'Too many requests on one connection wait for their answers', remoteAddress),
    dropped: ({ socket }) =>
      onUnreadable({
        requestId: randomUUID(),
        clientIp: socket.remoteAddress ?? '',
        status: hungUp,
        reason: 'The connection ended before its turn',
      }),
  });
  const { server } = served;
  server.on('connect', (_, socket: Answering) => {
    // Node hears of it no longer.
    socket.on('error', () => socket.destroy());
    const refused = refuse('method-not-allowed', 'CONNECT is for proxies, use POST', socket.remoteAddress ?? '');
    if (socket._httpMessage == null) {
      write(refused, socket);
      socket.destroySoon();
    } else endAfterAnswers(socket);
  });
  // Who asks before he sends his body is told when there is room for it (admit-bodies.ts); what else is expected may be ignored.
  for (const asking of ['checkContinue', 'checkExpectation'])
    server.on(asking, (request, response) => server.emit('request', request, response));
  return served;
}

/** What came before is answered, and nothing after it. */
function endAfterAnswers(socket: Answering): void {
  const last = lastWaiting(socket) ?? socket._httpMessage;
  if (last?.headersSent === false) last.setHeader('connection', 'close');
  last?.once('close', () => socket.destroySoon());
}

function fateOf(socket: Answering, code: string | undefined): Fate {
  const { _httpMessage: answering, parser } = socket;
  if (!socket.writable || code === 'ECONNRESET') return 'drop';
  // Nothing was ever sent. Or the request is answered, and told, without its body.
  if (answering == null) return socket.bytesRead === 0 || parser?.incoming?.complete === false ? 'drop' : 'refuse';
  if (answering.req.complete) return 'finish';
  // Half of a body, and then nothing: its sender has gone, as its end will tell (request-lifecycle.ts).
  if (code === 'HPE_INVALID_EOF_STATE') return 'drop';
  return scopeIfAny({ raw: answering.req }) === undefined ? 'leave' : 'refuse';
}

/** What Node's parser refuses before there is a request. */
function unreadable(code: string | undefined): readonly [ProblemKind, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['headers-too-large', 'The headers are larger than server.max_header_bytes, send fewer'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['request-timeout', 'The request did not arrive in time (server.read_timeout)'];
    case undefined:
    default:
      return ['malformed-body', 'This is not HTTP'];
  }
}
