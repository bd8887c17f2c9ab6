// What a process of a measurement knows of itself and nobody else does, told when it is asked over its channel of messages. Floor and
// gateway are started with it alike: node --import test/load/probe.mjs …
//
// Allocated is what the heap had grown by at each garbage collection since the one before it, and since the last one until now. Memory of
// buffers outside the heap is not in it. Kept is what collections of the young generation moved to the old one, large objects aside: there
// it costs a major collection to be rid of it. To write down a collection takes some ten microseconds, and there are some tens of them a second.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

/** So often the event loop is asked how late it is. Milliseconds. */
const resolution = 10;

const oldSpaceOf = ({ heapSpaceStatistics }) =>
  heapSpaceStatistics.find(({ spaceName }) => spaceName === 'old_space').spaceUsedSize;

class Allocations {
  profiler = this.begin();

  begin() {
    this.usedAtBegin = process.memoryUsage().heapUsed;
    const profiler = new GCProfiler();
    profiler.start();
    return profiler;
  }

  /** Bytes since it was asked last. */
  take() {
    let used = this.usedAtBegin;
    let allocated = 0;
    let kept = 0;
    const { statistics } = this.profiler.stop();
    for (const { gcType, beforeGC, afterGC } of statistics) {
      if (gcType === 'Scavenge') kept += Math.max(0, oldSpaceOf(afterGC) - oldSpaceOf(beforeGC));
      allocated += Math.max(0, beforeGC.heapStatistics.usedHeapSize - used);
      used = afterGC.heapStatistics.usedHeapSize;
    }
    allocated += Math.max(0, process.memoryUsage().heapUsed - used);
    this.profiler = this.begin();
    return { allocated, kept, collections: statistics.length };
  }
}

function listen() {
  const allocations = new Allocations();
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  // The monitor's own pause is part of what it says.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - resolution);
  process.on('message', (message) => {
    if (message !== 'probe') return;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    process.send({
      cpuMicros: user + system,
      rss,
      heapUsed,
      ...allocations.take(),
      loopMs: { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) },
      handles: process.getActiveResourcesInfo().length,
    });
    delay.reset();
  });
  // Whoever measured is gone: nothing is to be left of it.
  process.on('disconnect', () => process.exit());
  process.channel.unref();
}

if (isMainThread && process.send !== undefined) listen();
