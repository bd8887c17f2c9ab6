import type { Server } from 'node:http';
import { fastify, type FastifyHttpOptions, type FastifyInstance, type FastifyReply } from 'fastify';
import { problem } from './problem';
import type { TlsPair } from './server-tls';

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

/** How often Node looks whether a request takes too long to arrive; its own 30 s would stretch a shorter limit. */
const checkIntervalMs = 1_000;

/**
 * The HTTP server with its limits; what it serves is added by others.
 * @param tls absent: plain HTTP
 */
export function createHttpServer(options: HttpServerOptions, tls?: TlsPair): FastifyInstance {
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
    frameworkErrors(_error, _request, reply: FastifyReply) {
      const body = problem('malformed-body', 'The path of the request is malformed');
      void reply
        .status(body.status)
        .header('content-type', 'application/problem+json; charset=utf-8')
        .send(JSON.stringify(body));
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable || error.code === 'ECONNRESET') {
        socket.destroy();
        return;
      }
      const [status, kind, detail] = unreadable(error.code);
      const body = JSON.stringify({
        type: `https://kubernaut.io/problems/${kind}`,
        title: detail,
        status,
        detail,
        error: detail,
      });
      socket.end(
        `HTTP/1.1 ${status} ${detail}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  };
  if (tls === undefined) return fastify({ ...common, http });
  const https = { ...http, ...tls, minVersion: 'TLSv1.2' as const };
  return fastify({ ...common, https } as FastifyHttpOptions<Server>);
}

/** What Node's parser refuses before there is a request. */
function unreadable(code: string | undefined): readonly [number, string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [431, 'headers-too-large', 'Request Header Fields Too Large'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'request-timeout', 'Request Timeout'];
    case undefined:
    default:
      return [400, 'malformed-body', 'Bad Request'];
  }
}
