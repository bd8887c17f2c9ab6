import { Injectable, type CanActivate, type ExecutionContext, type OnModuleInit } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ThrottlerGuard, type ThrottlerLimitDetail, type ThrottlerModuleOptions } from '@nestjs/throttler';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problem';
import { scopeOf } from '../http/request-scope';
import type { CallerLimitStorage } from './caller-limit.storage';
import { isPublic } from '../http/public.decorator';
import type { LogSink } from '../logging/log-sink';

/** Over its limit a caller is told 503, which Alertmanager retries; the 429 of the address limit would lose its alerts. */
@Injectable()
export class CallerThrottlerGuard extends ThrottlerGuard {
  constructor(
    options: ThrottlerModuleOptions,
    reflector: Reflector,
    callers: CallerLimitStorage,
    private readonly log: LogSink,
  ) {
    super(options, callers, reflector);
  }

  /** A caller has one limit, whatever it sends. */
  protected override generateKey(_context: ExecutionContext, caller: string): string {
    return caller;
  }

  protected override getTracker(request: FastifyRequest): Promise<string> {
    return Promise.resolve(callerOf(request));
  }

  protected override throwThrottlingException(_context: ExecutionContext, detail: ThrottlerLimitDetail): Promise<void> {
    this.log.warn({ limit_per_minute: detail.limit }, 'rate limit exceeded');
    throw new ProblemError(
      'caller-over-limit',
      `More than ${detail.limit} requests a minute by this caller, send again later`,
      {
        retryAfterSeconds: Math.max(1, detail.timeToBlockExpire),
      },
    );
  }
}

/**
 * Meters callers that are authenticated, each by its identity. What is in hand is spent at once; the library's guard looks for
 * decorators and awaits a dozen times before it asks.
 */
@Injectable()
export class CallerLimitGuard implements CanActivate, OnModuleInit {
  constructor(
    private readonly callers: CallerLimitStorage,
    private readonly throttler: CallerThrottlerGuard,
  ) {}

  onModuleInit(): Promise<void> {
    return this.throttler.onModuleInit();
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (isPublic(request) || this.callers.takeInHand(callerOf(request))) return true;
    return this.throttler.canActivate(context);
  }
}

function callerOf(request: FastifyRequest): string {
  return scopeOf(request).caller?.username ?? '';
}
