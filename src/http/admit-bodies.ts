import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { remainingMs } from '../deadline';
import type { Admission } from './admission';
import { isPublic } from './public.decorator';
import { runInScope, scopeOf, type RequestScope } from './request-scope';
import { Room } from './room';
import { hangUpOnLongBodies } from './unread-bodies';

/**
 * Lets webhooks in, before their bodies are read and after it is known who calls.
 * @returns to be called with each body as it was received
 */
export function admitBodies(
  fastify: FastifyInstance,
  admission: Admission,
): (request: FastifyRequest, body: Buffer) => void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const bytes = isPublic(request) ? 0 : admission.bytesOf(request);
    if (bytes === 0) {
      done();
      return;
    }
    const scope = scopeOf(request);
    const sender = scope.sender ?? { name: scope.caller?.username ?? '', isKnown: true };
    const leftMs = remainingMs(scope.deadline.signal);
    const refuse = (error: unknown) => {
      scope.waiting = undefined;
      if (isOver(scope, reply)) return;
      hangUpOnLongBodies(request, reply);
      runInScope(scope, () => done(error as Error));
    };
    if (leftMs <= 0) {
      refuse(admission.refuseLateBody());
      return;
    }
    const entered = admission.enter(sender, bytes, request.raw.rawHeaders, leftMs);
    if (entered instanceof Room) {
      if (give(entered, request, reply)) done();
      return;
    }
    scope.waiting = entered;
    entered.room.then((room) => {
      scope.waiting = undefined;
      if (remainingMs(scope.deadline.signal) > 0) {
        if (give(room, request, reply)) runInScope(scope, done);
      } else {
        room.hangUp();
        refuse(admission.refuseLateBody());
      }
    }, refuse);
  });

  /** Its sender has gone, or was refused for what it sent meanwhile. */
  function isOver({ refusedWith }: RequestScope, reply: FastifyReply): boolean {
    return reply.raw.closed || refusedWith !== undefined;
  }

  /** @returns false for a sender that is not waited for any more: nobody would tell when that is over */
  function give(room: Room, request: FastifyRequest, reply: FastifyReply): boolean {
    const scope = scopeOf(request);
    if (isOver(scope, reply)) {
      room.hangUp();
      return false;
    }
    // It is told when the connection is done with the answer (request-lifecycle.ts).
    scope.room = room;
    if (request.headers.expect !== undefined && request.raw.httpVersion === '1.1') reply.raw.writeContinue();
    // Made first and assigned then: V8 makes a function old that is assigned as it is made (ADR 0010).
    const refuse = () => runInScope(scope, () => refuseUnread(reply));
    scope.deadline.onEnd = refuse;
    return true;
  }

  function refuseUnread(reply: FastifyReply): void {
    if (reply.sent || reply.raw.closed) return;
    void reply.header('connection', 'close').send(admission.refuseLateBody());
  }

  return (request, body) => {
    const scope = scopeOf(request);
    scope.deadline.onEnd = undefined;
    scope.room?.read(body.length);
  };
}
