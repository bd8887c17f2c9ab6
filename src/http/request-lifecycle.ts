import { randomUUID } from 'node:crypto';
import { NotFoundException } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Cohort } from '../cohort';
import { deadlineIn } from '../deadline';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { ProblemError } from './problem';
import { bindScope, processingTimeMs, runInScope, scopeOf } from './request-scope';

/** An answer may take 5 s; the work for it ends a little sooner, for the answer must be written too. Alertmanager waits twice that. */
const deadlineMs = 4_500;
const saneRequestId = /^[\x21-\x7e]{1,128}$/;
/** The alerts of a webhook of more bytes share each step as it is: others would only have to wait for them. */
const cohortOfItsOwnBytes = 16 * 1024;
/** Senders have a dozen. */
const maxHeaders = 100;
const headerOfId = 'x-request-id';

/** Gives every request its scope at the very start, and one line and its metrics at the end. */
export function followRequests(
  fastify: FastifyInstance,
  log: LogSink,
  metrics: GatewayMetrics,
  service: { readonly isDraining: boolean },
): void {
  const arrived = new Cohort();
  fastify.addHook('onRequest', (request, reply, done) => {
    const given = request.headers[headerOfId];
    const requestId = typeof given === 'string' && saneRequestId.test(given) ? given : randomUUID();
    const scope = { requestId, clientIp: request.ip, startedAt: performance.now(), deadline: deadlineIn(deadlineMs) };
    bindScope(request, scope);
    reply.header(headerOfId, requestId);
    // Senders keep connections for minutes: they must come back on one to another replica.
    if (service.isDraining) reply.header('connection', 'close');
    const goOn = () => runInScope(scope, () => done(refusalOf(request, reply)));
    if (Number(request.headers['content-length']) > cohortOfItsOwnBytes) goOn();
    else arrived.join(goOn);
  });

  // Reading the body leaves the scope behind: its events belong to the connection.
  fastify.addHook('preValidation', (request, _reply, done) => runInScope(scopeOf(request), done));

  fastify.addHook('onResponse', (request, reply, done) => {
    const scope = scopeOf(request);
    // A sender that hung up does not stop the work for its signals; the deadline still does.
    if (reply.raw.writableFinished) scope.deadline.clear();
    const route = routeOf(request);
    const { method } = request;
    const status = String(reply.statusCode);
    metrics.httpRequests.count({ method: methodLabel(method), route, status });
    if (reply.statusCode >= 400) metrics.httpErrors.count({ route, status });
    metrics.httpDuration.observe({ method: methodLabel(method), route }, reply.elapsedTime / 1000);
    runInScope(scope, () => {
      const fields = {
        method,
        route,
        status: reply.statusCode,
        processing_time_ms: processingTimeMs(scope),
        ...scope.counts,
      };
      if (scope.problem !== undefined) Object.assign(fields, { problem: scope.problem });
      if (isProbe(request, reply)) log.debug(fields, 'request served');
      else if (reply.statusCode >= 500) log.warn(fields, 'request served');
      else log.info(fields, 'request served');
    });
    done();
  });
}

/** Why a request is refused before anybody looks at who sends it. */
function refusalOf(request: FastifyRequest, reply: FastifyReply): Error | undefined {
  // Each takes more memory than its few bytes, and its connection keeps them.
  if (request.raw.rawHeaders.length / 2 > maxHeaders) {
    reply.header('connection', 'close');
    return new ProblemError('headers-too-large', `More than ${maxHeaders} headers, send fewer`);
  }
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

function isProbe(request: FastifyRequest, reply: FastifyReply): boolean {
  return request.method === 'GET' && reply.statusCode < 400;
}
