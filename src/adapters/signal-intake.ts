import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, retryAfterOf } from '../http/problem';
import { processingTimeMs, scopeOf } from '../http/request-scope';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import type { SignalOutcome } from '../processing/signal-outcome';
import type { SignalProcessor } from '../processing/signal-processor';
import type { SignalReading } from '../signal/signal';
import { countsOf, toResponse } from './signal-response';

/** Where every source hands its signals in, and gets the answer for its sender. */
export class SignalIntake {
  constructor(
    private readonly processor: SignalProcessor,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  async take(signals: Iterable<SignalReading>, request: FastifyRequest, reply: FastifyReply): Promise<object> {
    const scope = scopeOf(request);
    const { caller } = scope;
    if (caller === undefined) throw new ProblemError('unauthenticated', 'Authentication failed: no caller');
    const { room } = scope;
    // It will send again, and nobody could be told what became of this.
    if (room?.beginWork() === false) throw new ProblemError('unavailable', 'The sender has hung up');
    let outcomes: readonly SignalOutcome[];
    try {
      outcomes = await this.processor.processAll(signals, caller, scope.deadline.signal);
    } finally {
      room?.endWork();
    }
    scope.counts = countsOf(outcomes);
    const { status, body } = toResponse(outcomes, processingTimeMs(scope));
    void reply.status(status);
    if (status === 503) void reply.header('retry-after', String(retryAfterOf('unavailable')));
    if (status < 400) return body;
    void reply.header('content-type', 'application/problem+json; charset=utf-8');
    return { ...body, request_id: scope.requestId };
  }

  /** Notes what the sender says it left out: alerts that nobody here will ever see. */
  noteTruncated(source: string, count: unknown): void {
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count <= 0) return;
    this.metrics.signalsTruncated.count({ source }, count);
    this.log.error({ truncated: count }, 'the sender left out alerts: raise max_alerts or split the group');
  }
}
