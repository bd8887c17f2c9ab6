import { setTimeout as delay } from 'node:timers/promises';
import { postWebhook } from './sender';
import { firing, webhook } from './webhook';

export interface PairOptions {
  readonly alertname: string;
  /** Where a post may go now; each goes to the next. */
  readonly urls: () => readonly string[];
  /** How many alerts begin to fire in a second. */
  readonly alertsPerSecond: number;
}

/** Alerts of a group, and whether a sender has yet to tell of them. */
interface Group {
  readonly pods: string[];
  /** By sender: how many of them it has delivered. */
  readonly delivered: [number, number];
}

const alertsPerGroup = 8;
const groupIntervalMs = 400;
/** Alertmanager gives a notification up after max(group_interval, 10 s), and sends the group again at the next flush. */
const deadlineMs = 10_000;
const firstPauseMs = 100;
const longestPauseMs = 2_000;

/**
 * Two Alertmanagers that hold the same alerts, as in production: each tells of a group when it changed, all of it, again and
 * again with growing pauses while the answer is 5xx or there is none. Only then; what is answered 4xx is lost.
 */
export class AlertmanagerPair {
  private readonly groups: Group[] = [];
  private readonly over = new AbortController();
  private readonly flushes: Promise<void>[] = [];
  private posts = 0;
  /** How long the slowest answer took. Milliseconds. */
  worstMs = 0;
  /** What was answered otherwise than 2xx, and how often; `none` when there was no answer. */
  readonly trouble = new Map<number | 'none', number>();

  constructor(private readonly options: PairOptions) {}

  /** Alerts begin to fire for so long, and are told of until they are delivered. */
  async run(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    const pauseMs = 1_000 / this.options.alertsPerSecond;
    for (let i = 0; performance.now() < until; i++) {
      this.add(`pod-${i}`);
      await delay(pauseMs);
    }
  }

  /** Waits until both have delivered everything, so long at most, and stops them. */
  async finish(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs;
    while (this.undelivered > 0 && performance.now() < until) await delay(50);
    this.over.abort();
    await Promise.all(this.flushes);
  }

  get alertname(): string {
    return this.options.alertname;
  }

  get pods(): string[] {
    return this.groups.flatMap(({ pods }) => pods);
  }

  /** Alerts that one of the two has not delivered. */
  get undelivered(): number {
    return this.groups.reduce((sum, { pods, delivered }) => sum + pods.length - Math.min(...delivered), 0);
  }

  private add(pod: string): void {
    let group = this.groups.at(-1);
    if (group === undefined || group.pods.length === alertsPerGroup) {
      group = { pods: [], delivered: [0, 0] };
      this.groups.push(group);
      this.flushes.push(this.tell(group, 0), this.tell(group, 1));
    }
    group.pods.push(pod);
  }

  private async tell(group: Group, sender: 0 | 1): Promise<void> {
    while (!this.over.signal.aborted && group.delivered[sender] < alertsPerGroup) {
      if (group.pods.length > group.delivered[sender]) await this.notify(group, sender);
      await delay(groupIntervalMs);
    }
  }

  private async notify(group: Group, sender: 0 | 1): Promise<void> {
    const until = performance.now() + deadlineMs;
    const pods = [...group.pods];
    const body = webhook(...pods.map((pod) => firing({ alertname: this.options.alertname, namespace: 'test', pod })));
    for (let pauseMs = firstPauseMs; performance.now() < until && !this.over.signal.aborted; pauseMs *= 2) {
      const status = await this.post(body);
      if (status !== 'none' && status < 300) {
        group.delivered[sender] = pods.length;
        return;
      }
      this.trouble.set(status, (this.trouble.get(status) ?? 0) + 1);
      // Alertmanager does not try that again before the next flush.
      if (status !== 'none' && status < 500) return;
      await delay(Math.min(pauseMs, longestPauseMs) * (0.5 + Math.random()));
    }
  }

  private async post(body: object): Promise<number | 'none'> {
    const urls = this.options.urls();
    const begin = performance.now();
    try {
      const { status } = await postWebhook(urls[this.posts++ % urls.length] ?? '', body);
      this.worstMs = Math.max(this.worstMs, performance.now() - begin);
      return status;
    } catch {
      return 'none';
    }
  }
}
