import type { FastifyReply, FastifyRequest } from 'fastify';
import { RecordingLog } from '../../test/support/recording-log';
import { deadlineIn } from '../deadline';
import { bindScope, type RequestScope } from '../http/request-scope';
import { Room } from '../http/room';
import { Lanes } from '../lanes';
import { GatewayMetrics } from '../metrics/gateway-metrics';
import type { SignalProcessor } from '../processing/signal-processor';
import { SignalIntake } from './signal-intake';

describe('SignalIntake', () => {
  const processed = Promise.withResolvers<never[]>();
  const processAll = jest.fn(() => processed.promise);
  const intake = new SignalIntake(
    { processAll } as unknown as SignalProcessor,
    new GatewayMetrics(),
    new RecordingLog(),
  );
  const reply = { status: () => reply, header: () => reply } as unknown as FastifyReply;
  let lanes: Lanes;
  let room: Room;
  let request: FastifyRequest;

  beforeEach(() => {
    processAll.mockClear();
    lanes = new Lanes({ places: 10, ofLane: 10 });
    room = new Room(lanes.enterNow('a', 10)!, () => undefined);
    request = { raw: {} } as FastifyRequest;
    const scope: RequestScope = {
      requestId: 'r',
      clientIp: '192.0.2.1',
      route: '/x',
      startedAt: performance.now(),
      deadline: deadlineIn(1_000),
      caller: { username: 'a' },
      room,
    };
    bindScope(request, scope);
  });

  it('begins nothing for a sender that has hung up', async () => {
    room.hangUp();
    await expect(intake.take([], request, reply)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(processAll).not.toHaveBeenCalled();
    expect(lanes.inUse).toBe(0);
  });

  it('keeps the room of a sender that hangs up until the work has ended', async () => {
    const taken = intake.take([], request, reply);
    room.hangUp();
    expect(lanes.inUse).toBe(10);
    processed.resolve([]);
    await taken;
    expect(lanes.inUse).toBe(0);
  });
});
