import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Admission } from './admission';
import { isPublic } from './public.decorator';
import { ProblemError } from './problem';
import { runInScope, scopeOf } from './request-scope';
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
    const entered = admission.enter(sender, bytes, request.raw.rawHeaders);
    if (entered instanceof Room) {
      if (give(entered, request, reply)) done();
      return;
    }
    entered.then(
      (room) => {
        if (give(room, request, reply)) runInScope(scope, done);
      },
      (error: unknown) => {
        hangUpOnLongBodies(request, reply);
        runInScope(scope, () => done(error as Error));
      },
    );
  });

  return (request, body) => {
    const scope = scopeOf(request);
    scope.deadline.onEnd = undefined;
    scope.room?.read(body.length);
  };
}

/** @returns false for a sender that has hung up: nobody would tell when that is over */
function give(room: Room, request: FastifyRequest, reply: FastifyReply): boolean {
  if (reply.raw.closed) {
    room.hangUp();
    return false;
  }
  const scope = scopeOf(request);
  room.boundTo(reply.raw);
  scope.room = room;
  // Made first and assigned then: V8 makes a function old that is assigned as it is made (ADR 0010).
  const refuse = () => runInScope(scope, () => refuseUnread(reply));
  scope.deadline.onEnd = refuse;
  return true;
}

/** The answer is due, and the body is not here: nothing could be done with it any more, and it takes the room of others. */
function refuseUnread(reply: FastifyReply): void {
  if (reply.sent || reply.raw.closed) return;
  const late = new ProblemError('unavailable', 'The body did not arrive in the time of an answer, send it again');
  void reply.header('connection', 'close').send(late);
}
