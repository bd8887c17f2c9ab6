import { normalizeIp } from '@nestjs/throttler';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from '../caller';
import { ProblemError } from '../http/problem';
import { isPublic } from '../http/public.decorator';
import { scopeOf } from '../http/request-scope';
import { hangUpOnLongBodies } from '../http/unread-bodies';
import type { LogSink } from '../logging/log-sink';
import type { SharedLimit } from '../rate-limit/shared-limit';
import type { AddressMeter, Authenticator } from './authenticator';
import type { SignedRequests } from './signed-requests';

/**
 * Authenticates in `onRequest`, before a body is read: Nest's guards run after that. Public routes need no token. Who only signs
 * what he posts is known when that has been read, before it is parsed.
 */
export function authenticateRequests(
  fastify: FastifyInstance,
  authenticator: Authenticator,
  signed: SignedRequests,
  addresses: SharedLimit,
  log: LogSink,
): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isPublic(request)) {
      done();
      return;
    }
    const accept = (caller: Caller) => {
      scopeOf(request).caller = caller;
      done();
    };
    const refuse = (error: unknown) => {
      hangUpOnLongBodies(request, reply);
      done(error as Error);
    };
    const signature = signed.of(request);
    if (signature !== undefined) {
      if (request.headers.authorization === undefined) {
        signed.authenticate(request, signature, meterFor(request)).then(() => done(), refuse);
        return;
      }
      signed.verify(request, signature);
    }
    const caller = authenticator.authenticate(request.headers.authorization, meterFor(request));
    if (caller instanceof Promise) caller.then(accept, refuse);
    else accept(caller);
  });

  function meterFor(request: FastifyRequest): AddressMeter {
    const { clientIp } = scopeOf(request);
    const key = normalizeIp(clientIp);
    return {
      address: key,
      async charge() {
        const waitMs = await addresses.take(key);
        if (waitMs === 0) return;
        log.warn({}, 'rate limit exceeded');
        throw new ProblemError('rate-limited', 'Too many requests of this address without an accepted token', {
          retryAfterSeconds: Math.ceil(waitMs / 1000),
        });
      },
      giveBack: () => addresses.giveBack(key),
    };
  }
}
