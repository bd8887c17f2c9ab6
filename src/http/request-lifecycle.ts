import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { NotFoundException } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Cohort } from '../cohort';
import { deadlineIn } from '../deadline';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { clientAddress } from './client-address';
import { hungUp, type Unreadable } from './http-server';
import { isFollowed } from './pipelining';
import { ProblemError } from './problem';
import { isPublic } from './public.decorator';
import { bindScope, processingTimeMs, runInScope, scopeOf, type RequestScope } from './request-scope';
import { hangUpOnLongBodies } from './unread-bodies';

/** An answer may take 5 s; the work for it ends a little sooner, for the answer must be written too. Alertmanager waits twice that. */
const deadlineMs = 4_500;
const saneRequestId = /^[\x21-\x7e]{1,128}$/;
/** The alerts of a webhook of more bytes share each step as it is: others would only have to wait for them. */
const cohortOfItsOwnBytes = 16 * 1024;
/** Senders have a dozen. */
const maxHeaders = 100;
const headerOfId = 'x-request-id';

/**
 * Gives every request its scope at the very start, and one line and its metrics at the end.
 * @param sources by the route at which each is served
 */
export function followRequests(
  fastify: FastifyInstance,
  log: LogSink,
  metrics: GatewayMetrics,
  service: { readonly isDraining: boolean },
  sources: ReadonlyMap<string, string>,
): void {
  const arrived = new Cohort();
  fastify.addHook('onRequest', (request, reply, done) => {
    const given = request.headers[headerOfId];
    const requestId = typeof given === 'string' && saneRequestId.test(given) ? given : randomUUID();
    const route = routeOf(request);
    const scope = {
      requestId,
      clientIp: clientAddress(request),
      route,
      source: sources.get(route),
      startedAt: performance.now(),
      deadline: deadlineIn(deadlineMs),
    };
    bindScope(request, scope);
    // One function for all: one of each request is paid for by every webhook.
    reply.raw.on('close', closed);
    reply.header(headerOfId, requestId);
    // Senders keep connections for minutes: they must come back on one to another replica.
    if (service.isDraining) {
      // What was sent ahead is answered first; Fastify would end the connection before.
      if (isFollowed(request.raw.socket)) reply.raw.removeHeader('connection');
      else reply.header('connection', 'close');
    }
    // Nobody reads what is posted there.
    if (request.is404 || isPublic(request)) hangUpOnLongBodies(request, reply);
    const goOn = () => runInScope(scope, () => done(refusalOf(request, reply)));
    if (Number(request.headers['content-length']) > cohortOfItsOwnBytes) goOn();
    else arrived.join(goOn);
  });

  // Reading the body leaves the scope behind: its events belong to the connection.
  fastify.addHook('preValidation', (request, _reply, done) => runInScope(scopeOf(request), done));

  fastify.addHook('onResponse', (request, reply, done) => {
    tell(scopeOf(request), request.method, reply.statusCode);
    done();
  });

  function closed(this: ServerResponse): void {
    const { req, writableFinished } = this;
    const scope = scopeOf({ raw: req });
    scope.room?.hangUp();
    scope.waiting?.hangUp();
    // A sender that hung up does not stop the work for its signals; the deadline still does.
    if (writableFinished) scope.deadline.clear();
    // Nobody else hears of its end.
    else tell(scope, req.method ?? '', scope.refusedWith ?? hungUp);
  }

  function tell(scope: RequestScope, method: string, statusCode: number): void {
    if (scope.isTold === true) return;
    scope.isTold = true;
    const { route } = scope;
    const status = String(statusCode);
    metrics.httpRequests.count({ method: methodLabel(method), route, status });
    if (statusCode >= 400) metrics.httpErrors.count({ route, status });
    metrics.httpDuration.observe({ method: methodLabel(method), route }, (performance.now() - scope.startedAt) / 1000);
    runInScope(scope, () => {
      const fields = {
        method,
        route,
        status: statusCode,
        processing_time_ms: processingTimeMs(scope),
        ...scope.counts,
      };
      if (scope.problem !== undefined) Object.assign(fields, { problem: scope.problem });
      if (method === 'GET' && statusCode < 400) log.debug(fields, 'request served');
      else if (statusCode >= 500) log.warn(fields, 'request served');
      else log.info(fields, 'request served');
    });
  }
}

/** Counts and logs what has no request, for Node's parser or the router refused it before there was one. */
export function followUnreadable(log: LogSink, metrics: GatewayMetrics): (refused: Unreadable) => void {
  return ({ requestId, clientIp, status, reason }) => {
    const route = 'unmatched';
    metrics.httpRequests.count({ method: 'other', route, status: String(status) });
    metrics.httpErrors.count({ route, status: String(status) });
    const fields = { request_id: requestId, client_ip: clientIp, route, status, processing_time_ms: 0, reason };
    log.info(fields, 'request served');
  };
}

/** Why a request is refused before anybody looks at who sends it. */
function refusalOf(request: FastifyRequest, reply: FastifyReply): Error | undefined {
  // Each takes more memory than its few bytes, and its connection keeps them.
  if (request.raw.rawHeaders.length / 2 > maxHeaders) {
    reply.header('connection', 'close');
    return new ProblemError('headers-too-large', `More than ${maxHeaders} headers, send fewer`);
  }
  if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
    return new ProblemError('malformed-body', 'The request has no Host header, which HTTP/1.1 asks for');
  // A path that is not served has no body to judge.
  return request.is404 ? new NotFoundException() : undefined;
}

/** The route's pattern, never the path that was asked for. */
function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
}

function methodLabel(method: string): string {
  return ['GET', 'POST', 'HEAD'].includes(method) ? method : 'other';
}
