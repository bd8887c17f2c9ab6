import type { LanePlace } from '../lanes';

/** Whose room a body takes. Who may have signed it, which only the body tells, is not known; his name is his address. */
export interface Sender {
  readonly name: string;
  readonly isKnown: boolean;
}

/** What the smallest body counts as, so that there is a bound to their number. Bytes. */
export const leastBytes = 2 * 1024;

/**
 * What the body of one request takes of the room. It is left once: when the connection is done with the answer, or, if the work for it
 * goes on after its sender hung up, when that ends.
 */
export class Room {
  private isConnected = true;
  private isWorking = false;
  private isLeft = false;

  constructor(
    private readonly place: LanePlace,
    private readonly onLeft: () => void,
  ) {}

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

  /** The answer is written, or its sender has gone, or what it sends cannot be read. May be told more than once. */
  hangUp(): void {
    this.isConnected = false;
    if (!this.isWorking) this.leave();
  }

  private leave(): void {
    if (this.isLeft) return;
    this.isLeft = true;
    this.place.leave();
    this.onLeft();
  }
}
