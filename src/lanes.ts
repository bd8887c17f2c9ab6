import { Places } from './places';
import { recentlyUsed } from './recently-used';

/** Namespaces or callers of which something is under way, and that are remembered for that. */
const maxLanes = 1_000;

export interface LaneSizes {
  /** Places of all lanes together. */
  readonly places: number;
  /** Of which one lane takes so many at the most. */
  readonly ofLane: number;
}

/** What somebody has taken, in a lane and of all, until it is left. */
export class LanePlace {
  constructor(
    private readonly ofLane: Places,
    private readonly all: Places,
    private readonly size: number,
  ) {}

  leave(): void {
    this.ofLane.leave(this.size);
    this.all.leave(this.size);
  }
}

/** Places that no one takes all of: who comes by a lane waits for a place in it, and then for one of all. */
export class Lanes {
  private readonly all: Places;
  private readonly lanes = recentlyUsed<string, Places>(maxLanes);
  private waiting = 0;

  constructor(private readonly sizes: LaneSizes) {
    this.all = new Places(sizes.places);
  }

  get inUse(): number {
    return this.all.inUse;
  }

  /** Who waits, for a place in a lane or for one of all. */
  get waitingCount(): number {
    return this.waiting;
  }

  /** Who has a place in a lane and waits for one of all. */
  get waitingForAll(): number {
    return this.all.waitingCount;
  }

  /** Who waits for a place in this lane. */
  waitingIn(lane: string): number {
    return this.lanes.get(lane)?.waitingCount ?? 0;
  }

  /**
   * Does the work when there is a place in the lane, and one of all. If there are now, it begins before this returns.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  async run<T>(lane: string, work: () => Promise<T>, deadline: AbortSignal | undefined): Promise<T> {
    // Each further promise is paid for by every create.
    const place = this.enterNow(lane) ?? (await this.enter(lane, deadline));
    try {
      return await work();
    } finally {
      place.leave();
    }
  }

  /**
   * A place if one is free and nobody waits for it.
   * @param size how many places it takes, not more than a lane has
   */
  enterNow(lane: string, size = 1): LanePlace | undefined {
    const ofLane = this.placesOf(lane);
    if (!ofLane.enterNow(size)) return undefined;
    if (this.all.enterNow(size)) return new LanePlace(ofLane, this.all, size);
    ofLane.leave(size);
    return undefined;
  }

  /** @throws DeadlineExceededError when the deadline comes before its turn */
  async enter(lane: string, deadline: AbortSignal | undefined, size = 1): Promise<LanePlace> {
    const ofLane = this.placesOf(lane);
    this.waiting++;
    try {
      if (!ofLane.enterNow(size)) await ofLane.enter(deadline, size);
      await this.all.enter(deadline, size).catch((error: unknown) => {
        ofLane.leave(size);
        throw error;
      });
      return new LanePlace(ofLane, this.all, size);
    } finally {
      this.waiting--;
    }
  }

  private placesOf(lane: string): Places {
    let places = this.lanes.get(lane);
    if (places === undefined) {
      places = new Places(this.sizes.ofLane);
      this.lanes.set(lane, places);
    }
    return places;
  }
}
