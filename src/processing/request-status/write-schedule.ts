import { setTimeout as delay } from 'node:timers/promises';

/** How exactly entries fall due. Milliseconds. */
const stepMs = 25;
/** Writes at once. */
const atOnce = 4;
/** A write keeps its place for so long: together a hundred a second, however many entries fall due. Milliseconds. */
const placeMs = 40;

/**
 * When entries are to be written: not before they are due, then in that order, and no more of them a second than the API
 * server should bear for their sake. One timer serves all of them, for there are thousands that want to be written once a second.
 */
export class WriteSchedule<Entry> {
  private readonly scheduled = new Set<Entry>();
  /** By the step in which they fall due. */
  private readonly steps = new Map<number, Entry[]>();
  private readonly ready = new Set<Entry>();
  private step = 0;
  private writing = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param write never rejects */
  constructor(private readonly write: (entry: Entry) => Promise<void>) {}

  /** One that is scheduled already stays where it is. */
  add(entry: Entry, afterMs: number): void {
    if (this.scheduled.has(entry)) return;
    this.scheduled.add(entry);
    // The present step may be over in a moment.
    const step = this.step + 1 + Math.ceil(afterMs / stepMs);
    const same = this.steps.get(step);
    if (same === undefined) this.steps.set(step, [entry]);
    else same.push(entry);
    this.timer ??= this.wait();
  }

  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.scheduled.clear();
    this.steps.clear();
    this.ready.clear();
  }

  private wait(): NodeJS.Timeout {
    return setTimeout(() => {
      this.step++;
      for (const entry of this.steps.get(this.step) ?? []) this.ready.add(entry);
      this.steps.delete(this.step);
      this.timer = this.steps.size > 0 ? this.wait() : undefined;
      this.begin();
    }, stepMs).unref();
  }

  private begin(): void {
    for (const entry of this.ready) {
      if (this.writing === atOnce) return;
      this.ready.delete(entry);
      this.scheduled.delete(entry);
      this.writing++;
      void Promise.all([this.write(entry), delay(placeMs, undefined, { ref: false })]).then(() => {
        this.writing--;
        this.begin();
      });
    }
  }
}
