import { Counter, type LabelValues } from 'prom-client';

interface Tally<L extends string> {
  readonly labels: LabelValues<L>;
  counted: number;
}

/** By the value of one label after the other: to join them, and to look for the joined text, costs nearly four times as much. */
class Tallies<L extends string> {
  private readonly further = new Map<LabelValues<L>[L], Tallies<L>>();
  private tally: Tally<L> | undefined;

  of(labels: LabelValues<L>, names: readonly L[], from = 0): Tally<L> {
    const name = names[from];
    if (name === undefined) return (this.tally ??= { labels: { ...labels }, counted: 0 });
    const value = labels[name];
    let next = this.further.get(value);
    if (next === undefined) {
      next = new Tallies();
      this.further.set(value, next);
    }
    return next.of(labels, names, from + 1);
  }

  *all(): IterableIterator<Tally<L>> {
    if (this.tally !== undefined) yield this.tally;
    for (const further of this.further.values()) yield* further.all();
  }
}

/**
 * A counter that adds up by itself and tells the library when it is scraped: to be found by its labels, each increment of the
 * library's own sorts and joins them, and looks whether they are allowed.
 */
export class TalliedCounter<L extends string> extends Counter<L> {
  private readonly names: readonly L[];
  private readonly tallies = new Tallies<L>();

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
  count(labels: LabelValues<L>, by = 1): void {
    this.tallies.of(labels, this.names).counted += by;
  }

  private handOver(): void {
    for (const tally of this.tallies.all()) {
      // A combination that was counted is shown from then on.
      this.inc(tally.labels, tally.counted);
      tally.counted = 0;
    }
  }
}
