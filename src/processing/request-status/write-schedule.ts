import { setTimeout as delay } from 'node:timers/promises';
import { outsideRequests } from '../../outside-requests';
import { Workload } from './workload';

/** How exactly entries fall due. Milliseconds. */
const stepMs = 25;
/** Writes at once. */
const atOnce = 4;
/** A write keeps its place for so long: together a hundred a second, however many entries fall due. Milliseconds. */
const placeMs = 40;
/** The busier the process, the longer it keeps it, up to this: together twenty a second at the least. Milliseconds. */
const maxPlaceMs = 200;

/**
 * When entries are to be written: not before they are due, then in that order, and no more of them a second than the API
 * server should bear for their sake, or than a process has time for that is busy with signals. One timer serves all of them, for
 * there are thousands that want to be written once a second.
 */
export class WriteSchedule<Entry> {
  /** The step in which each falls due, or that in which it did. */
  private readonly scheduled = new Map<Entry, number>();
  private readonly steps = new Map<number, Entry[]>();
  private readonly urgent = new Set<Entry>();
  private readonly ready = new Set<Entry>();
  private step = 0;
  private steppedAt = 0;
  private writing = 0;
  /** Places that writes keep which are not urgent, also those that have ended. */
  private kept = 0;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param write never rejects
   * @param isUrgent whether an entry that is due goes before others, and is written as soon as another write ends
   */
  constructor(
    private readonly write: (entry: Entry) => Promise<void>,
    private readonly isUrgent: (entry: Entry) => boolean = () => false,
    private readonly workload: Pick<Workload, 'utilization'> = new Workload(),
  ) {}

  /** One that is scheduled already comes at the earlier of the two times. */
  add(entry: Entry, afterMs: number): void {
    if (this.timer === undefined) this.steppedAt = performance.now();
    // The present step may be over in a moment.
    const step = this.step + 1 + Math.ceil(afterMs / stepMs);
    if ((this.scheduled.get(entry) ?? Number.POSITIVE_INFINITY) <= step) return;
    this.scheduled.set(entry, step);
    const same = this.steps.get(step);
    if (same === undefined) this.steps.set(step, [entry]);
    else same.push(entry);
    this.timer ??= outsideRequests(() => this.wait());
  }

  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const waiting of [this.scheduled, this.steps, this.urgent, this.ready]) waiting.clear();
  }

  private wait(): NodeJS.Timeout {
    return setTimeout(() => {
      // A busy process may have been late for several steps.
      const now = performance.now();
      const passed = Math.max(1, Math.floor((now - this.steppedAt) / stepMs));
      this.steppedAt = now;
      for (const last = this.step + passed; this.step < last;) this.fallDue(++this.step);
      this.timer = this.steps.size > 0 ? this.wait() : undefined;
      this.begin();
    }, stepMs).unref();
  }

  private fallDue(step: number): void {
    for (const entry of this.steps.get(step) ?? []) {
      // It may have come earlier, and even be back.
      if (this.scheduled.get(entry) === step) (this.isUrgent(entry) ? this.urgent : this.ready).add(entry);
    }
    this.steps.delete(step);
  }

  private begin(): void {
    for (const entry of this.urgent) {
      if (this.writing === atOnce) return;
      this.urgent.delete(entry);
      void this.start(entry);
    }
    for (const entry of this.ready) {
      if (this.writing === atOnce || this.kept === atOnce) return;
      this.ready.delete(entry);
      this.kept++;
      void Promise.all([this.start(entry), delay(this.placeMs, undefined, { ref: false })]).then(() => {
        this.kept--;
        this.begin();
      });
    }
  }

  private async start(entry: Entry): Promise<void> {
    this.scheduled.delete(entry);
    this.writing++;
    await this.write(entry);
    this.writing--;
    this.begin();
  }

  private get placeMs(): number {
    return Math.min(placeMs / (1 - this.workload.utilization), maxPlaceMs);
  }
}
