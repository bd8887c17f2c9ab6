import { Controller, Get, Res, ServiceUnavailableException, type Type } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { SkipThrottle } from '@nestjs/throttler';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.decorator';
import { Readiness } from './readiness';

export interface HealthPaths {
  readonly liveness: string;
  readonly readiness: string;
}

/** An answer about readiness, for the explorer. */
function answerOf(status: string, redis: string, reason: string): object {
  const [kubernetes, other] = [{ kubernetes: { status: 'up' } }, { redis: { status: redis, reason } }];
  const [info, error] = redis === 'down' ? [kubernetes, other] : [{ ...kubernetes, ...other }, {}];
  return { status, info, error, details: { ...kubernetes, ...other } };
}

/** Builds the controller for the configured paths; `/healthz` and `/readyz` are always there as well. */
export function healthController(paths: HealthPaths): Type<unknown> {
  @ApiTags('health')
  @SkipThrottle()
  @Controller()
  class HealthController {
    constructor(
      private readonly health: HealthCheckService,
      private readonly indicators: HealthIndicatorService,
      private readonly readiness: Readiness,
    ) {}

    @Public()
    @Get([...new Set([paths.liveness, '/healthz'])])
    @ApiOperation({ summary: 'Liveness: the process answers. Looks at no dependency' })
    @ApiOkResponse({ description: 'It does', example: { status: 'ok' } })
    live(): { status: 'ok' } {
      return { status: 'ok' };
    }

    @Public()
    @Get([...new Set([paths.readiness, '/readyz'])])
    @HealthCheck({ swaggerDocumentation: false })
    @ApiOperation({ summary: 'Readiness, with a line for each dependency: up, degraded or down' })
    @ApiOkResponse({ description: 'It can take signals', example: answerOf('ok', 'degraded', 'connection refused') })
    @ApiServiceUnavailableResponse({
      description: 'It cannot',
      example: answerOf('error', 'down', 'connection refused'),
    })
    async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
      const checks = Object.entries(this.readiness.check()).map(([name, result]) => () => {
        const indicator = this.indicators.check(name);
        switch (result.state) {
          case 'up':
            return indicator.up();
          case 'degraded':
            return indicator.degraded({ reason: result.reason });
          case 'down':
            return indicator.down({ reason: result.reason });
        }
      });
      try {
        return await this.health.check(checks);
      } catch (error) {
        // Not an error of this route: it answers what it found.
        if (!(error instanceof ServiceUnavailableException)) throw error;
        void reply.status(503);
        return error.getResponse() as HealthCheckResult;
      }
    }
  }
  return HealthController;
}
