import { Controller, Get, Res, ServiceUnavailableException, type Type } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { SkipThrottle } from '@nestjs/throttler';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.decorator';
import { Readiness } from './readiness';

export interface HealthPaths {
  readonly liveness: string;
  readonly readiness: string;
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
    live(): { status: 'ok' } {
      return { status: 'ok' };
    }

    @Public()
    @Get([...new Set([paths.readiness, '/readyz'])])
    @HealthCheck()
    @ApiOperation({ summary: 'Readiness, with a line for each dependency: up, degraded or down' })
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
