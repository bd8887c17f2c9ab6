import type { FastifyRequest } from 'fastify';
import { type Deadline, DeadlineExceededError, deadlineIn } from '../deadline';
import { type LanePlace, Lanes } from '../lanes';
import { outsideRequests } from '../outside-requests';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { ProblemError } from './problem';
import { leastBytes, Room, type Sender } from './room';

export interface AdmissionLimits {
  /** Of the bodies that are read and worked on at once. */
  readonly maxBytes: number;
  /** Of one body; a larger one is refused. */
  readonly maxBodyBytes: number;
}

const kib = 1024;
/** Of a body that waits so much is read at the most: what came with its headers, or what the connection holds before it stands still. Bytes. */
const readUnasked = 64 * kib;
/** A connection and its request, without headers and body. Bytes. */
const connectionBytes = 16 * kib;
/** What a name or a value of a header takes beside its text. Bytes. */
const textBytes = 64;
/** What those who wait may take of the memory. Bytes. */
const maxWaitingBytes = 96 * kib * kib;
/** One of several has this part of what they share. */
const shareOfKnown = 1 / 2;
const shareOfUnknown = 1 / 4;
/** Who has waited for longer would not be answered in time. Milliseconds. */
const maxWaitMs = 2_000;

const shedReasons = ['queue_full', 'no_room_in_time', 'late_body'] as const;
type ShedReason = (typeof shedReasons)[number];

/** Those who share a room, and the places where they wait for it. */
interface Party {
  readonly room: Lanes;
  readonly queue: Lanes;
  /** Of the room, that one of them has. Bytes. */
  readonly share: number;
}

/** A sender for whom there is no room yet. */
export interface Waiting {
  /** Rejects with a ProblemError `overloaded` when there is none in time. */
  readonly room: Promise<Room>;
  /** It has gone: its place is for others. */
  hangUp(): void;
}

/**
 * Bounds what is under way at once by the bytes that were posted, for what is made of them is many times as large: else a few hundred
 * webhooks of the largest size end the process for want of memory, again whenever they are repeated (ADR 0011). Who finds no room waits a little,
 * his body unread, and is told to come again when there is none in time. One caller has half of the room, and half of the places to wait;
 * those who are not known yet have such a half together, and one of them a quarter of it.
 */
export class Admission {
  private readonly known: Party;
  private readonly unknown: Party;
  private count = 0;
  private refusing = false;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {
    // The largest body fits into the share of a caller.
    const bytes = Math.max(limits.maxBytes, limits.maxBodyBytes / shareOfKnown);
    this.known = partyOf(bytes, maxWaitingBytes, shareOfKnown);
    this.unknown = partyOf(this.known.share, maxWaitingBytes * shareOfKnown, shareOfUnknown, this.known);
    for (const reason of shedReasons) metrics.webhooksShed.count({ reason }, 0);
  }

  /** Bodies that have been let in. */
  get inProgressCount(): number {
    return this.count;
  }

  get waitingCount(): number {
    return this.known.room.waitingCount + this.unknown.room.waitingCount;
  }

  /**
   * @param bytes of the body, at the most; what is larger than the share of its sender takes all of it
   * @param rawHeaders names and values by turns
   * @param leftMs until the answer is due
   */
  enter(sender: Sender, bytes: number, rawHeaders: readonly string[], leftMs: number): Room | Waiting {
    const party = sender.isKnown ? this.known : this.unknown;
    const size = Math.min(Math.max(bytes, leastBytes), party.share);
    const place = party.room.enterNow(sender.name, size);
    if (place !== undefined) return this.letIn(place);
    const due = deadlineIn(Math.min(maxWaitMs, leftMs));
    let isThere = true;
    return {
      room: this.wait(party, sender.name, size, rawHeaders, due).catch((error: unknown) => {
        throw error instanceof DeadlineExceededError && isThere ? this.refuse('no_room_in_time') : error;
      }),
      hangUp: () => {
        isThere = false;
        due.end();
      },
    };
  }

  private async wait(
    { room, queue }: Party,
    name: string,
    size: number,
    rawHeaders: readonly string[],
    due: Deadline,
  ): Promise<Room> {
    const headers = rawHeaders.reduce((sum, text) => sum + text.length + textBytes, 0);
    const seat = queue.enterNow(name, connectionBytes + headers + Math.min(size, readUnasked));
    try {
      if (seat === undefined) throw this.refuse('queue_full');
      return this.letIn(await room.enter(name, due.signal, size));
    } finally {
      seat?.leave();
      due.clear();
    }
  }

  private letIn(place: LanePlace): Room {
    this.count++;
    if (this.refusing && this.waitingCount === 0) {
      this.refusing = false;
      // It is no matter of whose request came upon it.
      outsideRequests(() => this.log.info({}, 'overload is over: nobody waits'));
    }
    return new Room(place, this.left);
  }

  private readonly left = (): void => {
    this.count--;
  };

  /** The answer is due, and the body is not here: nothing could be done with it any more, and it takes the room of others. */
  refuseLateBody(): ProblemError {
    this.metrics.webhooksShed.count({ reason: 'late_body' });
    return new ProblemError('unavailable', 'The body was not here when its answer was due, send it again');
  }

  /** Told when it begins: each request has its own line with its status. */
  private refuse(reason: ShedReason): ProblemError {
    this.metrics.webhooksShed.count({ reason });
    if (!this.refusing)
      outsideRequests(() =>
        this.log.warn(
          { reason, in_progress: this.count, waiting: this.waitingCount },
          'overloaded: webhooks are refused',
        ),
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

/** @param within whose room and places are taken as well */
function partyOf(roomBytes: number, queueBytes: number, share: number, within?: Party): Party {
  const room = { places: roomBytes, ofLane: Math.ceil(roomBytes * share) };
  const queue = { places: queueBytes, ofLane: Math.ceil(queueBytes * share) };
  return { room: new Lanes(room, within?.room), queue: new Lanes(queue, within?.queue), share: room.ofLane };
}
