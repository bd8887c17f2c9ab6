import { Counter } from 'prom-client';

interface Tally<L extends string> {
  readonly labels: Partial<Record<L, string | number>>;
  counted: number;
}

/**
 * A counter that adds up by itself and tells the library when it is scraped: to be found by its labels, each increment of the
 * library's own sorts and joins them, and looks whether they are allowed.
 */
export class TalliedCounter<L extends string> extends Counter<L> {
  private readonly names: readonly L[];
  private readonly tallies = new Map<string, Tally<L>>();

  constructor(name: string, help: string, labelNames: readonly L[]) {
    super({
      name,
      help,
      labelNames,
      collect() {
        (this as TalliedCounter<L>).handOver();
      },
    });
    this.names = labelNames;
  }

  /** @param labels of a closed set: each combination is remembered */
  count(labels: Partial<Record<L, string | number>>, by = 1): void {
    let key = '';
    for (const name of this.names) key += `${labels[name] ?? ''}\n`;
    const tally = this.tallies.get(key);
    if (tally === undefined) this.tallies.set(key, { labels: { ...labels }, counted: by });
    else tally.counted += by;
  }

  private handOver(): void {
    for (const tally of this.tallies.values()) {
      // A combination that was counted is shown from then on.
      this.inc(tally.labels, tally.counted);
      tally.counted = 0;
    }
  }
}
