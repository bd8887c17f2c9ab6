import type { LanePlace } from '../lanes';

/** The room of one body. It is held by the connection, and by the work for it: a sender that hangs up ends neither sooner. */
export class Room {
  private holders = 1;

  constructor(
    private readonly place: LanePlace,
    private readonly onEmpty: () => void,
  ) {}

  hold(): void {
    this.holders++;
  }

  release(): void {
    if (--this.holders > 0) return;
    this.place.leave();
    this.onEmpty();
  }
}
