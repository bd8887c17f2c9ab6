import { performance, type EventLoopUtilization } from 'node:perf_hooks';

/** Over so long at the least; a turn of the event loop says nothing. Milliseconds. */
const sampleMs = 500;

/** How busy this process was of late. */
export class Workload {
  private share = 0;
  private sampledAt = performance.now();
  private before: EventLoopUtilization = performance.eventLoopUtilization();

  /** The share of its time in which the event loop had something to do, or waited for a processor to do it: 0 to 1. */
  get utilization(): number {
    const now = performance.now();
    if (now - this.sampledAt < sampleMs) return this.share;
    const until = performance.eventLoopUtilization();
    this.share = performance.eventLoopUtilization(until, this.before).utilization;
    this.before = until;
    this.sampledAt = now;
    return this.share;
  }
}
