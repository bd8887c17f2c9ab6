import { setTimeout as delay } from 'node:timers/promises';
import { fastify, type FastifyInstance } from 'fastify';
import { RecordingLog } from '../../test/support/recording-log';
import { deadlineIn } from '../deadline';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import { Admission } from './admission';
import { admitBodies } from './admit-bodies';
import { acceptJsonBodies } from './json-body';
import { ProblemError } from './problem';
import { bindScope, scopeOf } from './request-scope';

describe('admitBodies', () => {
  let server: FastifyInstance;
  let admission: Admission;
  let deadlineMs: number;
  let authenticationMs: number;

  beforeEach(() => {
    deadlineMs = 1_000;
    authenticationMs = 0;
    admission = new Admission({ maxBytes: 8_192, maxBodyBytes: 4_096 }, new GatewayMetrics(), new RecordingLog());
    server = fastify();
    server.addHook('onRequest', async (request, reply) => {
      reply.raw.on('close', () => scopeOf(request).room?.hangUp());
      const deadline = deadlineIn(deadlineMs);
      bindScope(request, {
        requestId: 'r',
        clientIp: '192.0.2.1',
        route: '/x',
        startedAt: 0,
        deadline,
        caller: { username: 'a' },
      });
      await delay(authenticationMs);
    });
    const bodyArrived = admitBodies(server, admission);
    acceptJsonBodies(server, (request, body) => {
      bodyArrived(request, body);
      return undefined;
    });
    server.setErrorHandler((error, _, reply) =>
      reply.status(503).send(error instanceof ProblemError ? error.kind : error),
    );
    server.post('/', () => admission.inProgressCount);
  });
  afterEach(() => server.close());

  const post = async () => (await server.inject({ method: 'POST', url: '/', payload: { a: 1 } })).body;

  it('has room for a body until it is answered', async () => {
    expect(await post()).toBe('1');
    await delay(1);
    expect(admission.inProgressCount).toBe(0);
  });

  it('reads nothing when the answer is due before it is known who calls', async () => {
    deadlineMs = 10;
    authenticationMs = 50;
    expect(await post()).toBe('unavailable');
    expect(admission.inProgressCount).toBe(0);
  });

  it('has nobody wait for longer than until his answer is due', async () => {
    void admission.enter({ name: 'a', isKnown: true }, 4_096, [], 1_000);
    deadlineMs = 50;
    expect(await post()).toBe('overloaded');
    expect([admission.inProgressCount, admission.waitingCount]).toEqual([1, 0]);
  });
});
