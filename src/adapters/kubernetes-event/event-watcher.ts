import { gatewayItself } from '../../caller';
import type { Clock } from '../../clock';
import { deadlineIn } from '../../deadline';
import { versionOf, type ClusterEvent, type EventFeed } from '../../kubernetes/event-feed';
import type { Lease, Term } from '../../kubernetes/lease';
import type { LogSink } from '../../logging/log-sink';
import type { GatewayMetrics } from '../../metrics/gateway-metrics';
import { pause } from '../../pause';
import type { SignalProcessor } from '../../processing/signal-processor';
import { recentlyUsed } from '../../recently-used';
import { toSignals, type EventRules } from './kubernetes-event.adapter';

/** Where the Lease says up to which version of events everything is taken. */
const untilAnnotation = 'kubernaut.io/events-until';
const batchMs = 4_500;
/** What could not be taken now is tried again after this long, and after more when that fails. Milliseconds. */
const firstRetryMs = 1_000;
const maxRetryMs = 30_000;
/** So long the API server keeps events itself. */
const maxAgeMs = 3_600_000;
/** With so many events that could not be taken, no more are read until some are. */
const maxWaiting = 5_000;
const maxKnown = 20_000;

interface Waiting {
  readonly event: ClusterEvent;
  readonly since: number;
}

/**
 * Takes the Warning events of the cluster as the HTTP route takes those that are posted: one replica does, by a Lease, in which
 * it leaves how far it came. Whoever takes over goes on there, so that every event is taken at least once.
 */
export class EventWatcher {
  /** Those that could not be taken yet, by their identity. */
  private readonly waiting = new Map<string, Waiting>();
  /** The last occurrence that was read of each: the API server repeats an event for changes that are none. */
  private readonly taken = recentlyUsed<string, string>(maxKnown);
  /** The version up to which events were read; empty before the first. */
  private reached = '';

  constructor(
    private readonly lease: Lease,
    private readonly feed: EventFeed,
    private readonly processor: SignalProcessor,
    private readonly rules: EventRules,
    private readonly clock: Clock,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  get waitingCount(): number {
    return this.waiting.size;
  }

  start(): void {
    this.lease.start((term) => this.serve(term));
  }

  stop(): Promise<void> {
    return this.lease.stop();
  }

  private async serve(term: Term): Promise<void> {
    this.metrics.eventWatchActive.set(1);
    this.reached = term.left[untilAnnotation] ?? '';
    try {
      await Promise.all([this.read(term), this.retry(term)]);
    } finally {
      this.metrics.eventWatchActive.set(0);
      // Whoever holds the lease next takes them, from where the Lease says.
      this.waiting.clear();
      this.taken.clear();
    }
  }

  private async read(term: Term): Promise<void> {
    for await (const { events, resourceVersion } of this.feed.follow(term.left[untilAnnotation], term.signal)) {
      await this.take(events.filter((event) => this.isAnOccurrence(event)));
      this.reached = resourceVersion;
      this.leave(term);
      while (this.waiting.size >= maxWaiting && (await pause(firstRetryMs, term.signal)));
    }
  }

  /** Nothing that is still to be taken lies before it. */
  private leave(term: Term): void {
    if (this.reached === '') return;
    const versions = [...this.waiting.values()].map(({ event }) => versionOf(event) - 1);
    const until = versions.length === 0 ? this.reached : String(Math.min(...versions, Number(this.reached)));
    term.leave({ [untilAnnotation]: until });
  }

  private async retry(term: Term): Promise<void> {
    let pauseMs = firstRetryMs;
    while (await pause(pauseMs, term.signal)) {
      const before = this.waiting.size;
      if (before === 0) continue;
      await this.take([...this.waiting.values()].map(({ event }) => event));
      pauseMs = this.waiting.size < before ? firstRetryMs : Math.min(pauseMs * 2, maxRetryMs);
      this.leave(term);
    }
  }

  private async take(events: readonly ClusterEvent[]): Promise<void> {
    if (events.length === 0) return;
    const due = deadlineIn(batchMs);
    const signals = toSignals(events, this.rules, this.clock.now());
    const outcomes = await this.processor.processAll(signals, gatewayItself, due.signal);
    due.clear();
    for (const [i, event] of events.entries()) {
      const key = identityOf(event);
      const last = this.taken.get(key);
      // It has happened again meanwhile, and that is what counts. Of one that is forgotten this one is the last that we know.
      if (last !== undefined && last !== occurrenceOf(event)) continue;
      if (outcomes[i]?.status === 'failed') this.keep(key, event, outcomes[i].reason);
      else this.waiting.delete(key);
    }
  }

  private keep(key: string, event: ClusterEvent, reason: string): void {
    const since = this.waiting.get(key)?.since ?? performance.now();
    if (performance.now() - since < maxAgeMs) {
      this.waiting.set(key, { event, since });
      return;
    }
    this.waiting.delete(key);
    const { namespace, name } = event.metadata ?? {};
    this.log.error(
      { event: `${namespace}/${name}`, reason },
      'an event could not be taken for an hour, and is given up',
    );
  }

  private isAnOccurrence(event: ClusterEvent): boolean {
    const key = identityOf(event);
    const occurrence = occurrenceOf(event);
    if (this.taken.get(key) === occurrence) return false;
    this.taken.set(key, occurrence);
    return true;
  }
}

function identityOf({ metadata }: ClusterEvent): string {
  return metadata?.uid ?? `${metadata?.namespace}/${metadata?.name}`;
}

/** What changes when it happens again. */
function occurrenceOf(event: ClusterEvent): string {
  const { count, lastTimestamp, eventTime, series } = event as Readonly<Record<string, unknown>>;
  return JSON.stringify([count, lastTimestamp, eventTime, series]);
}
