import type { Clock } from '../../clock';
import type { KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import type { Signal } from '../../signal/signal';
import { standingOf } from '../deduplication/standing';
import { groupOf, type SignalGroup, type StormGrouping } from './storm-group';

/** Which storm a signal belongs to, by its group. */
export class StormLookup {
  constructor(
    private readonly index: RemediationRequestIndex,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    private readonly grouping: StormGrouping,
  ) {}

  groupOf(signal: Signal): SignalGroup | undefined {
    return groupOf(signal, this.grouping);
  }

  /**
   * How the storm of a group stands, by these requests.
   * @param occurredAt when it happened, of a signal that tells of an occurrence
   */
  standing({ fingerprint }: SignalGroup, found: readonly KnownRequest[], occurredAt?: number) {
    // Anybody may write a request that names others' fingerprints: a storm is known by its own.
    const storms = found.filter((request) => request.fingerprint === fingerprint && request.storm !== undefined);
    return standingOf(storms, this.clock.now(), this.cooldownMs, occurredAt);
  }

  /** The storm request of the signal's group that is live or cooling down, as the watch shows it. */
  requestOf(signal: Signal): KnownRequest | undefined {
    const group = this.groupOf(signal);
    if (group === undefined) return undefined;
    const standing = this.standing(group, this.index.peek(group.fingerprint), signal.occurredAt);
    return standing.kind === 'carried' ? standing.request : undefined;
  }

  /**
   * The live storm of the signal's group, if that names it. A signal with a request of its own can be named as well: two replicas may have
   * placed it in two ways, or its create was applied after its sender gave up.
   */
  naming(signal: Signal): KnownRequest | undefined {
    const request = this.requestOf(signal);
    if (request === undefined || request.overSince !== undefined) return undefined;
    return names(request, signal) ? request : undefined;
  }

  /** The generation before this one, while it is not sure yet that this one carries all that go on from it. */
  carriedOnBy({ fingerprint, namespace, generation }: KnownRequest): KnownRequest | undefined {
    return this.index
      .peek(fingerprint)
      .find(
        (request) =>
          request.fingerprint === fingerprint &&
          request.namespace === namespace &&
          request.generation < generation &&
          request.storm !== undefined &&
          request.overSince !== undefined &&
          request.recurredAt !== undefined,
      );
  }
}

/** Whether a storm has members that its request does not name, and the signal began before the last of all joined. */
export function mayCarryUnnamed({ storm }: KnownRequest, signal: Signal): boolean {
  return (
    storm !== undefined && storm.alertCount > storm.affectedResources.length && signal.startsAt <= storm.lastMemberAt
  );
}

/** Whether a storm request names this signal. */
export function names({ storm }: KnownRequest, { fingerprint }: Signal): boolean {
  return storm?.affectedResources.some((resource) => resource.fingerprint === fingerprint) ?? false;
}
