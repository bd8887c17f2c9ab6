import type { FastifyReply, FastifyRequest } from 'fastify';

/** What a refused sender may still send before we hang up instead of reading it. */
const drainedBytes = 64 * 1024;

/** Node reads the rest of a body so that the connection can be used again; a long one is not worth that. */
export function hangUpOnLongBodies(request: FastifyRequest, reply: FastifyReply): void {
  const length = request.headers['content-length'];
  if (request.headers['transfer-encoding'] !== undefined || Number(length ?? 0) > drainedBytes)
    reply.header('connection', 'close');
}
