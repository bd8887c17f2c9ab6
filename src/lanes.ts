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

/** Places that no one takes all of: who comes by a lane waits for a place in it, and then for one of all. */
export class Lanes {
  private readonly all: Places;
  private readonly lanes = recentlyUsed<string, Places>(maxLanes);
  private unfinished = 0;

  constructor(private readonly sizes: LaneSizes) {
    this.all = new Places(sizes.places);
  }

  get inUse(): number {
    return this.all.inUse;
  }

  /** Who waits, for a place in a lane or for one of all. */
  get waitingCount(): number {
    return this.unfinished - this.all.inUse;
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
   * Does the work when there is a place in the lane, and one of all. If there are now, it begins before this returns. In one function: each
   * further promise is paid for by every create.
   * @throws DeadlineExceededError when the deadline comes before its turn
   */
  async run<T>(lane: string, work: () => Promise<T>, deadline: AbortSignal | undefined): Promise<T> {
    const { all } = this;
    const ofLane = this.placesOf(lane);
    const taken: Places[] = [];
    this.unfinished++;
    try {
      const turnInLane = ofLane.enter(deadline);
      if (turnInLane !== undefined) await turnInLane;
      taken.push(ofLane);
      const turn = all.enter(deadline);
      if (turn !== undefined) await turn;
      taken.push(all);
      return await work();
    } finally {
      this.unfinished--;
      for (const places of taken) places.leave();
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
