import type { ServerResponse } from 'node:http';
import type { LanePlace } from '../lanes';

/** Whose room a body takes. Who may have signed it, which only the body tells, is not known; his name is his address. */
export interface Sender {
  readonly name: string;
  readonly isKnown: boolean;
}

/** What the smallest body counts as, so that there is a bound to their number. Bytes. */
export const leastBytes = 2 * 1024;

const roomKey = Symbol('Room');

interface Roomed {
  [roomKey]?: Room;
}

/**
 * What the body of one request takes of the room. It is left once: when the connection is done with the answer, or, if the work for it
 * goes on after its sender hung up, when that ends.
 */
export class Room {
  private isConnected = true;
  private isWorking = false;

  constructor(
    private readonly place: LanePlace,
    private readonly onLeft: () => void,
  ) {}

  /** Belongs to a response from now on: left when that is closed. On the response itself, for a function of each request is paid for by every webhook. */
  boundTo(response: ServerResponse): void {
    (response as Roomed)[roomKey] = this;
    response.on('close', hangUp);
  }

  /** The body is here: it takes what it has, and not what it could have had. */
  read(bytes: number): void {
    if (this.isConnected) this.place.shrinkTo(Math.max(bytes, leastBytes));
  }

  /** @returns false when its sender has hung up: it has no room any more, and nobody is to be answered */
  beginWork(): boolean {
    this.isWorking = this.isConnected;
    return this.isWorking;
  }

  endWork(): void {
    this.isWorking = false;
    if (!this.isConnected) this.leave();
  }

  /** The answer is written, or its sender has gone. */
  hangUp(): void {
    this.isConnected = false;
    if (!this.isWorking) this.leave();
  }

  private leave(): void {
    this.place.leave();
    this.onLeft();
  }
}

function hangUp(this: ServerResponse): void {
  (this as Roomed)[roomKey]?.hangUp();
}
