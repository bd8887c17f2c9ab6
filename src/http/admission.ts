import type { FastifyRequest } from 'fastify';
import { deadlineIn } from '../deadline';
import { type LanePlace, Lanes } from '../lanes';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { ProblemError } from './problem';
import { Room, type Sender } from './room';

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
/** A connection and its request, without headers and body. Bytes. */
const connectionBytes = 16 * kib;
/** What a header takes beside its name and value. Bytes. */
const headerBytes = 128;
/** What those who wait may take of the memory. Bytes. */
const maxWaitingBytes = 96 * kib * kib;
/** Of the room of all who are not known, one of them has this part. */
const shareOfUnknown = 1 / 4;
/** Who has waited for longer would not be answered in time. Milliseconds. */
const maxWaitMs = 2_000;

/**
 * Bounds what is under way at once by the bytes that were posted, for what is made of them is many times as large: else a few hundred
 * webhooks of the largest size end the process for want of memory, again whenever they are repeated (ADR 0011). Who finds no room waits a little,
 * his body unread, and is told to come again when there is none in time. One caller has half of the room, and half of the places to wait;
 * who is not known yet has a quarter of such a half.
 */
export class Admission {
  private readonly known: Lanes;
  private readonly unknown: Lanes;
  private readonly queue = new Lanes({ places: maxWaitingBytes, ofLane: maxWaitingBytes / 2 });
  private readonly ofKnown: number;
  private readonly ofUnknown: number;
  private count = 0;
  private refusing = false;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {
    this.ofKnown = Math.ceil(limits.maxBytes / 2);
    this.ofUnknown = Math.ceil(this.ofKnown * shareOfUnknown);
    this.known = new Lanes({ places: limits.maxBytes, ofLane: this.ofKnown });
    this.unknown = new Lanes({ places: this.ofKnown, ofLane: this.ofUnknown }, this.known);
  }

  /** Bodies that have been let in. */
  get inProgressCount(): number {
    return this.count;
  }

  get waitingCount(): number {
    return this.known.waitingCount + this.unknown.waitingCount;
  }

  /**
   * @param bytes of the body, at the most; what is larger than the share of its sender takes all of it
   * @param rawHeaders names and values by turns
   * @throws ProblemError `overloaded`, rejected
   */
  enter({ name, isKnown }: Sender, bytes: number, rawHeaders: readonly string[]): Room | Promise<Room> {
    const lanes = isKnown ? this.known : this.unknown;
    const size = Math.min(Math.max(bytes, leastBytes), isKnown ? this.ofKnown : this.ofUnknown);
    const place = lanes.enterNow(name, size);
    return place === undefined ? this.wait(lanes, name, size, rawHeaders) : this.letIn(place);
  }

  private async wait(lanes: Lanes, name: string, size: number, rawHeaders: readonly string[]): Promise<Room> {
    const headers = rawHeaders.reduce((sum, text) => sum + text.length + headerBytes / 2, 0);
    const seat = this.queue.enterNow(name, connectionBytes + headers + Math.min(size, readUnasked));
    if (seat === undefined) throw this.refuse('queue_full');
    const due = deadlineIn(maxWaitMs);
    try {
      return this.letIn(await lanes.enter(name, due.signal, size));
    } catch {
      throw this.refuse('no_room_in_time');
    } finally {
      seat.leave();
      due.clear();
    }
  }

  private letIn(place: LanePlace): Room {
    this.count++;
    if (this.refusing && this.waitingCount === 0) {
      this.refusing = false;
      this.log.info({}, 'overload is over: nobody waits');
    }
    return new Room(place, this.left);
  }

  private readonly left = (): void => {
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
