import { deadlineIn, remainingMs } from '../../deadline';
import type { Owners, Ownership } from '../../kubernetes/owners';
import type { GatewayMetrics } from '../../metrics/gateway-metrics';
import { fingerprint, type IdentityRules } from '../../signal/fingerprint';
import { isSignal, type Signal, type SignalReading } from '../../signal/signal';
import { concurrently } from '../concurrently';

/** What a webhook may take for owners that the watch does not show. Milliseconds. */
const readMs = 1_000;

/**
 * Has signals identified by the workload that owns their object, for the sources of which that is configured: all pods of a
 * Deployment are one incident then. An owner that cannot be found out changes nothing: the object stands for itself.
 */
export class OwnerIdentity {
  constructor(
    private readonly owners: Pick<Owners, 'peek' | 'find'>,
    /** By source; the others stay as they are. */
    private readonly rules: ReadonlyMap<string, IdentityRules>,
    private readonly metrics: GatewayMetrics,
  ) {}

  /**
   * Identifies the signals of one webhook, batch by batch: the same readings in their order, each signal as its owner identifies it. Never
   * rejects.
   * @param deadline of the webhook; for owners that the watch does not show it has a second of that
   */
  forWebhook(deadline: AbortSignal): (readings: readonly SignalReading[]) => Promise<readonly SignalReading[]> {
    let leftMs = readMs;
    return async (readings) => {
      const begin = performance.now();
      const identified = await this.identify(readings, Math.min(leftMs, remainingMs(deadline)));
      leftMs = Math.max(0, leftMs - (performance.now() - begin));
      return identified;
    };
  }

  private async identify(readings: readonly SignalReading[], withinMs: number): Promise<readonly SignalReading[]> {
    const concerned = readings.filter(isSignal).filter(({ source }) => this.rules.has(source));
    if (concerned.length === 0) return readings;
    const known = new Map<string, Ownership>();
    const unknown = new Map<string, Signal>();
    for (const signal of concerned) {
      const key = objectOf(signal);
      if (known.has(key) || unknown.has(key)) continue;
      const ownership = this.owners.peek(signal.namespace, signal.resource);
      if (ownership === undefined) unknown.set(key, signal);
      else known.set(key, ownership);
    }
    await this.read(unknown, known, withinMs);
    return readings.map((reading) =>
      isSignal(reading) ? this.ownedBy(reading, known.get(objectOf(reading))) : reading,
    );
  }

  private async read(
    unknown: ReadonlyMap<string, Signal>,
    known: Map<string, Ownership>,
    withinMs: number,
  ): Promise<void> {
    if (unknown.size === 0) return;
    // Also when no time is left: what is remembered takes none.
    const due = deadlineIn(withinMs);
    const find = async ([key, { namespace, resource }]: readonly [string, Signal]) =>
      known.set(key, await this.owners.find(namespace, resource, due.signal));
    await concurrently([...unknown], find);
    due.clear();
  }

  private ownedBy(signal: Signal, ownership: Ownership | undefined): Signal {
    const rules = this.rules.get(signal.source);
    if (rules === undefined || ownership === undefined) return signal;
    const { owner, by } = ownership;
    this.metrics.ownerLookups.count({ by });
    if (owner === undefined) return signal;
    const target = { resource: owner, namespace: signal.namespace, specific: true };
    return { ...signal, owner, fingerprint: fingerprint(signal.name, target, signal.labels, rules) };
  }
}

function objectOf({ namespace, resource }: Signal): string {
  return `${resource.kind}/${namespace}/${resource.name}`;
}
