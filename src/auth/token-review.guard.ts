import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problem';
import { isPublic } from '../http/public.decorator';
import { scopeOf } from '../http/request-scope';

/** Lets through only callers that `authenticateRequests` has named, whichever way a request came to its handler. */
@Injectable()
export class TokenReviewGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (isPublic(request)) return true;
    const { caller, verifyBody } = scopeOf(request);
    if (caller !== undefined) return true;
    // Whoever has a body to judge was not given one.
    const reason = verifyBody === undefined ? 'no caller' : 'there is no body, of which the signature could be';
    throw new ProblemError('unauthenticated', `Authentication failed: ${reason}`);
  }
}
