import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LogSink } from '../logging/log-sink';
import { problem, ProblemError, type ProblemKind } from './problem';
import { processingTimeMs, scopeOf } from './request-scope';

/** For the framework's own refusals, which know only a status. */
const kindOfStatus: Readonly<Record<number, ProblemKind>> = {
  400: 'malformed-body',
  // A path that leads out of what is served. Whom we refuse is told by errors of our own.
  403: 'not-found',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'payload-too-large',
  415: 'unsupported-media-type',
  503: 'unavailable',
};

/** The only map from errors to status and body. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(
    private readonly log: LogSink,
    private readonly maxBodyBytes: number,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (reply.sent) return;
    const { kind, message, details, headers } = this.toProblem(error, request);
    const body = problem(kind, message, details);
    const scope = scopeOf(request);
    scope.problem = kind;
    if (kind === 'payload-too-large') {
      this.log.warn(
        { max_body_bytes: this.maxBodyBytes },
        'request body too large: set max_alerts in the Alertmanager receiver',
      );
    }
    void reply
      .status(body.status)
      .headers(headers)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify({ ...body, request_id: scope.requestId, processing_time_ms: processingTimeMs(scope) }));
  }

  private toProblem(error: unknown, request: FastifyRequest): ProblemError {
    if (error instanceof ProblemError) return error;
    const status = statusOf(error);
    const kind = kindOfStatus[status] ?? (status >= 400 && status < 500 ? 'malformed-body' : undefined);
    switch (kind) {
      case 'not-found':
        return notFound(request);
      case 'payload-too-large':
        return new ProblemError(
          kind,
          `The body is larger than ${this.maxBodyBytes} bytes: set max_alerts in the Alertmanager receiver`,
        );
      case undefined:
        this.log.error({ error: error instanceof Error ? error.stack : String(error) }, 'unexpected error');
        return new ProblemError(
          'internal-error',
          'An unexpected error occurred; its details are in the log of the gateway',
        );
      default:
        return new ProblemError(kind, error instanceof Error ? error.message : 'The request cannot be served');
    }
  }
}

/** 404, or 405 where the path is right and only the method is not. */
function notFound({ method, url, server }: FastifyRequest): ProblemError {
  const path = url.split('?', 1)[0] ?? url;
  const allowed = ['GET', 'POST'].filter((candidate) => server.hasRoute({ method: candidate, url: path }));
  if (allowed.length === 0)
    return new ProblemError('not-found', 'There is nothing at this path; /docs lists what there is');
  const allow = allowed.join(', ');
  return new ProblemError('method-not-allowed', `${method} is not served here, use ${allow}`, { headers: { allow } });
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  // Anything can be thrown, nothing included.
  const statusCode = (error as { statusCode?: unknown } | null | undefined)?.statusCode;
  return typeof statusCode === 'number' ? statusCode : 500;
}
