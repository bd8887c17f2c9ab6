/** Where the domain gets the time from, so that a spec can set it. Milliseconds since the epoch. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Where the modules get the clock. */
export const CLOCK = Symbol('Clock');
