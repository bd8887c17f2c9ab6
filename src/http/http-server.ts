import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { fastify, type FastifyHttpOptions, type FastifyInstance, type FastifyReply } from 'fastify';
import { clientAddress } from './client-address';
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

/** What was refused before there was a request. */
export interface Unreadable {
  readonly requestId: string;
  readonly clientIp: string;
  readonly status: number;
}

/** A connection knows which answer it is about to carry, and which request it is in; Node has no other names for that. */
type Answering = Duplex & {
  readonly _httpMessage?: ServerResponse | null;
  /** What reads it, and which request that is in. */
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null;
};

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
      if (!socket.writable || error.code === 'ECONNRESET') {
        socket.destroy();
        return;
      }
      const { _httpMessage: answering, parser } = socket as Answering;
      // The request is answered already, and told, without its body. Or nothing was ever sent.
      if (answering == null && (parser?.incoming?.complete === false || socket.bytesRead === 0)) {
        socket.destroy();
        return;
      }
      if (answering?.req.complete === true) {
        // What follows a whole request is unreadable: that one is answered all the same.
        if (!answering.headersSent) answering.setHeader('connection', 'close');
        return;
      }
      // Half of a body, and then nothing: its sender has gone, as its end will tell (request-lifecycle.ts).
      if (answering != null && error.code === 'HPE_INVALID_EOF_STATE') {
        socket.destroy();
        return;
      }
      const scope = answering == null ? undefined : scopeIfAny({ raw: answering.req });
      // It is refused already, and told.
      if (answering != null && scope === undefined) return;
      const [kind, detail] = unreadable(error.code);
      const { status, title, body, requestId } = refuse(kind, detail, socket.remoteAddress ?? '', scope);
      // The headers of an answer that has begun cannot be taken back.
      if (answering?.headersSent === true) {
        socket.destroy();
        return;
      }
      const head = [
        `HTTP/1.1 ${status} ${title}`,
        'content-type: application/problem+json; charset=utf-8',
        `content-length: ${Buffer.byteLength(body)}`,
        `x-request-id: ${requestId}`,
        'connection: close',
      ];
      socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    },
  };

  /** The answer to what has no request, or to a request that cannot be read to its end, whose end is told with that. */
  function refuse(kind: ProblemKind, detail: string, clientIp: string, scope?: RequestScope) {
    const requestId = scope?.requestId ?? randomUUID();
    const refusal = problem(kind, detail);
    const { status, title } = refusal;
    if (scope === undefined) onUnreadable({ requestId, clientIp, status });
    else Object.assign(scope, { refusedWith: status, problem: kind });
    return {
      status,
      title,
      requestId,
      body: JSON.stringify({ ...refusal, request_id: requestId, processing_time_ms: 0 }),
    };
  }

  if (tls === undefined) return fastify({ ...common, http });
  const https = { ...http, ...tls, minVersion: 'TLSv1.2' as const, handshakeTimeout: options.readTimeout };
  return fastify({ ...common, https } as FastifyHttpOptions<Server>);
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
