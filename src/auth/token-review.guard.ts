import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problem';
import { scopeOf } from '../http/request-scope';
import { isPublic } from '../http/public.decorator';

/** Lets through only callers that `authenticateRequests` has named, whichever way a request came to its handler. */
@Injectable()
export class TokenReviewGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (isPublic(this.reflector, context)) return true;
    if (scopeOf(context.switchToHttp().getRequest<FastifyRequest>()).caller !== undefined) return true;
    throw new ProblemError('unauthenticated', 'Authentication failed: no caller');
  }
}
