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

/** What somebody has taken of several places that lie in each other, until it is left. */
export class LanePlace {
  constructor(
    private readonly path: readonly Places[],
    private size: number,
  ) {}

  leave(): void {
    for (const places of this.path) places.leave(this.size);
  }

  /** Gives back what it has more than that. */
  shrinkTo(size: number): void {
    if (size >= this.size) return;
    for (const places of this.path) places.leave(this.size - size);
    this.size = size;
  }
}

/** Places that no one takes all of: who comes by a lane waits for a place in it, and then for one of all. */
export class Lanes {
  private readonly all: Places;
  /** By lane: its places, and those that they lie in. */
  private readonly paths = recentlyUsed<string, readonly [Places, ...Places[]]>(maxLanes);
  private readonly outer: readonly Places[];
  private waiting = 0;

  /** @param within lanes of whose places each of these takes one as well, but of none of their lanes */
  constructor(
    private readonly sizes: LaneSizes,
    within?: Lanes,
  ) {
    this.all = new Places(sizes.places);
    this.outer = within === undefined ? [this.all] : [this.all, ...within.outer];
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
    return this.paths.get(lane)?.[0].waitingCount ?? 0;
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
    const path = this.pathOf(lane);
    let taken = 0;
    while (taken < path.length && path[taken]?.enterNow(size) === true) taken++;
    if (taken === path.length) return new LanePlace(path, size);
    while (taken > 0) path[--taken]?.leave(size);
    return undefined;
  }

  /** @throws DeadlineExceededError when the deadline comes before its turn */
  async enter(lane: string, deadline: AbortSignal | undefined, size = 1): Promise<LanePlace> {
    const path = this.pathOf(lane);
    const taken: Places[] = [];
    this.waiting++;
    try {
      for (const places of path) {
        if (!places.enterNow(size)) await places.enter(deadline, size);
        taken.push(places);
      }
      return new LanePlace(path, size);
    } catch (error) {
      for (const places of taken) places.leave(size);
      throw error;
    } finally {
      this.waiting--;
    }
  }

  private pathOf(lane: string): readonly Places[] {
    let path = this.paths.get(lane);
    if (path === undefined) {
      path = [new Places(this.sizes.ofLane), ...this.outer];
      this.paths.set(lane, path);
    }
    return path;
  }
}
