import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { deadlineIn } from '../deadline';
import { type LanePlace, Lanes } from '../lanes';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { ProblemError } from './problem';
import { isPublic } from './public.decorator';
import { runInScope, scopeOf } from './request-scope';
import { Room } from './room';
import { hangUpOnLongBodies } from './unread-bodies';

export interface AdmissionLimits {
  /** Of the bodies that are read and worked on at once. */
  readonly maxBytes: number;
  /** Of one body; a larger one is refused. */
  readonly maxBodyBytes: number;
}

const kib = 1024;
/** What the smallest body counts as, so that there is a bound to their number. Bytes. */
const leastBytes = 2 * kib;
/** Of a body that waits so much is read at the most: what came with its headers, or what the connection holds before it stands still. Bytes. */
const readUnasked = 64 * kib;
/** A connection and its request, without the body. Bytes. */
const connectionBytes = 16 * kib;
/** What those who wait may take of the memory. Bytes. */
const maxWaitingBytes = 96 * kib * kib;
/** Who has waited for longer would not be answered in time. Milliseconds. */
const maxWaitMs = 2_000;

/**
 * Bounds what is under way at once by the bytes that were posted, for what is made of them is many times as large: else a few hundred
 * webhooks of the largest size end the process for want of memory, again whenever they are repeated. Who finds no room waits a little,
 * his body unread, and is told to come again when there is none in time. One caller has half of the room, and half of the places to wait.
 */
export class Admission {
  private readonly lanes: Lanes;
  private readonly queue = new Lanes({ places: maxWaitingBytes, ofLane: maxWaitingBytes / 2 });
  private readonly ofCaller: number;
  private count = 0;
  private refusing = false;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {
    this.ofCaller = Math.ceil(limits.maxBytes / 2);
    this.lanes = new Lanes({ places: limits.maxBytes, ofLane: this.ofCaller });
  }

  /** Bodies that have been let in. */
  get inProgressCount(): number {
    return this.count;
  }

  get waitingCount(): number {
    return this.lanes.waitingCount;
  }

  /**
   * @param bytes of the body, at the most; what is larger than the share of a caller takes all of it
   * @throws ProblemError `overloaded`, rejected
   */
  enter(caller: string, bytes: number): Room | Promise<Room> {
    const size = Math.min(Math.max(bytes, leastBytes), this.ofCaller);
    const place = this.lanes.enterNow(caller, size);
    return place === undefined ? this.wait(caller, size) : this.letIn(place);
  }

  private async wait(caller: string, size: number): Promise<Room> {
    const seat = this.queue.enterNow(caller, connectionBytes + Math.min(size, readUnasked));
    if (seat === undefined) throw this.refuse('queue_full');
    const due = deadlineIn(maxWaitMs);
    try {
      return this.letIn(await this.lanes.enter(caller, due.signal, size));
    } catch {
      throw this.refuse('no_room_in_time');
    } finally {
      seat.leave();
      due.clear();
    }
  }

  private letIn(place: LanePlace): Room {
    this.count++;
    if (this.refusing && this.lanes.waitingCount === 0) {
      this.refusing = false;
      this.log.info({}, 'overload is over: nobody waits');
    }
    return new Room(place, this.leave);
  }

  private readonly leave = (): void => {
    this.count--;
  };

  /** Told when it begins: each request has its own line with its status. */
  private refuse(reason: 'queue_full' | 'no_room_in_time'): ProblemError {
    this.metrics.webhooksShed.count({ reason });
    if (!this.refusing)
      this.log.warn(
        { reason, in_progress: this.count, waiting: this.waitingCount },
        'overloaded: webhooks are refused',
      );
    this.refusing = true;
    return new ProblemError('overloaded', 'More is under way than this replica can work on, send it again');
  }

  /** Bytes that the body of a request can have; 0 where it is refused unread. */
  bytesOf({ headers }: FastifyRequest): number {
    const { maxBodyBytes } = this.limits;
    if (headers['transfer-encoding'] !== undefined) return maxBodyBytes;
    const length = Number(headers['content-length'] ?? 0);
    return length > maxBodyBytes ? 0 : length;
  }
}

/** Lets webhooks in, before their bodies are read and after it is known who calls. */
export function admitBodies(fastify: FastifyInstance, admission: Admission): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const bytes = isPublic(request) ? 0 : admission.bytesOf(request);
    if (bytes === 0) {
      done();
      return;
    }
    const scope = scopeOf(request);
    const letIn = (room: Room) => {
      scope.room = room;
      reply.raw.once('close', () => room.release());
    };
    const room = admission.enter(scope.caller?.username ?? scope.signedBy ?? '', bytes);
    if (room instanceof Room) {
      letIn(room);
      done();
      return;
    }
    room.then(
      (late) => {
        // Its sender has not waited: nobody can be answered.
        if (reply.raw.closed) late.release();
        else {
          letIn(late);
          runInScope(scope, done);
        }
      },
      (error: unknown) => refuse(request, reply, () => done(error as Error)),
    );
  });

  function refuse(request: FastifyRequest, reply: FastifyReply, answer: () => void): void {
    hangUpOnLongBodies(request, reply);
    runInScope(scopeOf(request), answer);
  }
}
