import type { Clock } from '../../src/clock';

/** When the signals of specs are received, unless they say otherwise. */
export const noon = Date.parse('2025-10-04T12:00:00Z');

/** A clock that stands still until a spec advances it. */
export class FakeClock implements Clock {
  constructor(private time = noon) {}

  now(): number {
    return this.time;
  }

  advance(milliseconds: number): void {
    this.time += milliseconds;
  }
}
