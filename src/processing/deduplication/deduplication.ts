import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../clock';
import { beforeDeadline } from '../../deadline';
import { isFailure, KubernetesApiError } from '../../kubernetes/kubernetes-api.error';
import { toKnownRequest, type KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestClient } from '../../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import type { Signal } from '../../signal/signal';
import { membersLifeMs } from '../../state/storm-members';
import type { Claim, Occurrences, SignalState } from '../../state/signal-state';
import { keyOf, type RequestRef } from '../../request-ref';
import type { StormLookup } from '../storm/storm-lookup';
import type { Duplicate } from '../signal-outcome';
import { standingOf, type Standing } from './standing';

/** A firing signal that nothing carries, held by us until it is settled. */
export interface FreshSignal {
  readonly signal: Signal;
  readonly token: string;
}

/** What became of a claim: the request that carries the signal now, or nothing. */
export interface Settlement {
  readonly fresh: FreshSignal;
  readonly request?: RequestRef;
  /** Of a request that was found rather than created: what is known of its past. */
  readonly known?: KnownRequest;
  /** The request is that of a storm, which the signal is part of for as long as that counts. */
  readonly storm?: boolean;
}

/** A firing signal that a request carries. */
export interface CarriedSignal {
  readonly outcome: Duplicate;
  /** The request, unless the API server could not be asked. */
  readonly known: KnownRequest | undefined;
}

export interface Claimed {
  readonly duplicates: ReadonlyMap<Signal, CarriedSignal>;
  readonly fresh: readonly FreshSignal[];
  /** Somebody is creating the request for these right now. */
  readonly pending: readonly Signal[];
  /** Known, but the cluster refuses to say whether by a request that still counts: with the error. */
  readonly failed: ReadonlyMap<Signal, unknown>;
}

type Duplicated = Extract<Claim, { outcome: 'duplicate' }>;
/** What there is of a request. */
type Looked = KnownRequest | 'deleted' | 'unknown';
type Look = (entry: { readonly request: RequestRef }) => Promise<Looked>;

const noFailures: ReadonlyMap<Signal, unknown> = new Map();
const firstPollMs = 25;
const maxPollMs = 400;
/** Of the clocks of Redis and of the API server. */
const clockSkewMs = 5_000;

/**
 * Decides which signals are new: claim, then confirm or release.
 *
 * The shared memory says quickly which request carries an incident and who is creating one; the state of that request in
 * the cluster decides whether it still counts (contract, section 5).
 */
export class Deduplication {
  /** Fingerprints that this process is creating a request for, so that others in it wait instead of polling. */
  private readonly inFlight = new Map<string, PromiseWithResolvers<void>>();

  constructor(
    private readonly state: SignalState,
    private readonly index: RemediationRequestIndex,
    private readonly client: RemediationRequestClient,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    private readonly storms: StormLookup,
  ) {}

  get inFlightCount(): number {
    return this.inFlight.size;
  }

  /**
   * Sorts signals of distinct fingerprints. Each `fresh` one must be settled, whatever happens.
   * @throws StateUnavailableError
   */
  async claim(signals: readonly Signal[], deadline: AbortSignal): Promise<Claimed> {
    const claimed = {
      duplicates: new Map<Signal, CarriedSignal>(),
      fresh: [] as FreshSignal[],
      pending: [] as Signal[],
      failed: noFailures,
    };
    const stale: { signal: Signal; over: RequestRef }[] = [];

    const claims = await this.state.claim(signals.map(({ fingerprint }) => ({ fingerprint })));
    // Those that the watch does not show are asked for together, each request once, however many signals it carries.
    const unseen: { signal: Signal; claim: Duplicated }[] = [];
    const decide = (signal: Signal, claim: Duplicated, known: Looked) => {
      if (known === 'unknown') this.sort(signal, claim, claimed);
      else if (this.isOver(claim, known)) stale.push({ signal, over: claim.request });
      else this.sort(signal, claim, claimed, known as KnownRequest);
    };
    for (const [i, signal] of signals.entries()) {
      const claim = claims[i];
      if (claim?.outcome !== 'duplicate') this.sort(signal, claim, claimed);
      else {
        const known = this.index.get(claim.request);
        if (known === undefined) unseen.push({ signal, claim });
        else decide(signal, claim, known);
      }
    }
    if (unseen.length > 0) {
      const look = this.lookOnce(deadline);
      const failed = new Map<Signal, unknown>();
      const looked = await Promise.allSettled(unseen.map(({ claim }) => look(claim)));
      for (const [i, { signal, claim }] of unseen.entries()) {
        const found = looked[i];
        if (found?.status === 'fulfilled') decide(signal, claim, found.value);
        else failed.set(signal, found?.reason);
      }
      claimed.failed = failed;
    }

    if (stale.length > 0) {
      // Without an answer they stay open, and the next round hears why; the fresh ones of this round must not be lost.
      const again = await this.state
        .claim(stale.map(({ signal, over }) => ({ fingerprint: signal.fingerprint, over })))
        .catch((): Claim[] => []);
      for (const [i, { signal }] of stale.entries()) this.sort(signal, again[i], claimed);
    }
    return claimed;
  }

  /** Commits what has a request and gives the others back. One round trip; a failure is harmless, for the object exists. */
  async settle(settlements: readonly Settlement[]): Promise<(Occurrences | undefined)[]> {
    const confirmations = settlements.flatMap(({ fresh, request, known, storm }) =>
      request === undefined
        ? []
        : [
            {
              fingerprint: fresh.signal.fingerprint,
              token: fresh.token,
              request,
              ...(known ? { known: seenOf(known) } : {}),
              ...(storm ? { lifeMs: membersLifeMs } : {}),
            },
          ],
    );
    const releases = settlements
      .filter(({ request }) => request === undefined)
      .map(({ fresh }) => ({ fingerprint: fresh.signal.fingerprint, token: fresh.token }));
    try {
      const [confirmed] = await Promise.all([
        confirmations.length > 0 ? this.state.confirm(confirmations) : [],
        releases.length > 0 ? this.state.release(releases) : undefined,
      ]);
      const byFingerprint = new Map(confirmations.map(({ fingerprint }, i) => [fingerprint, confirmed[i]]));
      return settlements.map(({ fresh }) => byFingerprint.get(fresh.signal.fingerprint));
    } catch {
      return settlements.map(() => undefined);
    } finally {
      for (const { fresh } of settlements) {
        this.inFlight.get(fresh.signal.fingerprint)?.resolve();
        this.inFlight.delete(fresh.signal.fingerprint);
      }
    }
  }

  /**
   * Waits until the pending signals are worth claiming again: at once when this process settles them, in growing steps
   * when another replica must.
   * @throws DeadlineExceededError
   */
  async whenFreed(pending: readonly Signal[], attempt: number, deadline: AbortSignal): Promise<void> {
    const poll = Math.min(firstPollMs * 2 ** attempt, maxPollMs);
    const freed = Promise.all(pending.map(({ fingerprint }) => this.inFlight.get(fingerprint)?.promise ?? delay(poll)));
    await beforeDeadline(freed, deadline);
  }

  /** How a fresh signal's incident stands in the cluster, which knows what the memory may have forgotten; at once where the watch shows it. */
  standing(signal: Signal, deadline: AbortSignal): Standing | Promise<Standing> {
    const found = this.index.find(signal.fingerprint, deadline);
    return found instanceof Promise
      ? found.then((requests) => this.standingAmong(requests, signal))
      : this.standingAmong(found, signal);
  }

  /**
   * The requests that carry these incidents now, else their last ones, without counting a sighting: what resolved has to be
   * known there as well, for a next generation begins with what still fires. The storm of its group may carry what nobody names.
   */
  async latestOf(signals: readonly Signal[], deadline: AbortSignal): Promise<(KnownRequest | undefined)[]> {
    const standings = await Promise.all(signals.map(async (signal) => this.standing(signal, deadline)));
    const uncarried = signals.filter((_, i) => standings[i]?.kind !== 'carried');
    // What another replica has just created is in the memory before it is in our watch.
    const entries =
      uncarried.length === 0 ? [] : await this.state.find(uncarried.map(({ fingerprint }) => fingerprint));
    const look = this.lookOnce(deadline);
    const looked = await Promise.all(
      entries.map(async (entry) => (entry === undefined ? undefined : (this.index.get(entry.request) ?? look(entry)))),
    );
    const remembered = new Map(uncarried.map((signal, i) => [signal, looked[i]]));
    return signals.map((signal, i) => {
      const standing = standings[i];
      if (standing?.kind === 'carried') return standing.request;
      const known = remembered.get(signal);
      if (known === 'unknown') throw new KubernetesApiError('unavailable', 'a request cannot be read now');
      const entered =
        known === undefined || known === 'deleted' || !isAbout(known, signal.fingerprint) ? undefined : known;
      return entered ?? this.storms.requestOf(signal) ?? standing?.over;
    });
  }

  private standingAmong(found: readonly KnownRequest[], signal: Signal): Standing {
    const { fingerprint, occurredAt } = signal;
    const own = found.filter((request) => request.fingerprint === fingerprint);
    const standing = standingOf(own, this.clock.now(), this.cooldownMs, occurredAt);
    if (standing.kind === 'carried' || own.length === found.length) return standing;
    const group = this.storms.groupOf(signal);
    if (group === undefined) return standing;
    // A storm of which it is part, and by which it is named.
    const storm = this.storms.standing(group, found);
    return storm.kind === 'carried' ? storm : standing;
  }

  private sort(
    signal: Signal,
    claim: Claim | undefined,
    claimed: { duplicates: Map<Signal, CarriedSignal>; fresh: FreshSignal[]; pending: Signal[] },
    known?: KnownRequest,
  ): void {
    switch (claim?.outcome) {
      case 'new':
        // One may be there already, when a lease lapsed under its holder: whoever waits for it must still be woken.
        this.inFlight.set(signal.fingerprint, this.inFlight.get(signal.fingerprint) ?? Promise.withResolvers());
        claimed.fresh.push({ signal, token: claim.token });
        break;
      case 'pending':
      case undefined:
        claimed.pending.push(signal);
        break;
      case 'duplicate':
        claimed.duplicates.set(signal, { outcome: { ...claim, status: 'duplicate', reason: 'known' }, known });
        break;
    }
  }

  /** Whether the request that a duplicate's entry points to does not count any more: it cooled down, or was deleted. */
  private isOver(claim: Duplicated, known: KnownRequest | 'deleted'): boolean {
    return (
      known === 'deleted' ||
      !isAbout(known, claim.fingerprint) ||
      // It was part of an earlier storm whose request had this name.
      (known.storm !== undefined && claim.firstSeen < known.createdAt - clockSkewMs) ||
      (known.overSince !== undefined && standingOf([known], this.clock.now(), this.cooldownMs).kind === 'open')
    );
  }

  /** Looks up each request once, however many signals it carries. */
  private lookOnce(deadline: AbortSignal): Look {
    const looks = new Map<string, Promise<Looked>>();
    return ({ request }) => {
      const key = keyOf(request);
      const look = looks.get(key) ?? this.look({ request }, deadline);
      looks.set(key, look);
      return look;
    };
  }

  /**
   * Asks the API server for a request that the watch does not show.
   * @throws KubernetesApiError for an answer that is none, such as a CRD that is gone
   */
  private async look({ request }: { readonly request: RequestRef }, deadline: AbortSignal): Promise<Looked> {
    try {
      return toKnownRequest(await this.client.get(request, deadline), this.clock.now());
    } catch (error) {
      if (isFailure(error, 'not-found')) return 'deleted';
      // While the API server is silent, an entry that is younger than its ttl is believed.
      if (isFailure(error, 'unavailable') || isFailure(error, 'overloaded')) return 'unknown';
      throw error;
    }
  }
}

/** A name can pass to another incident. That of a storm carries others' signals, and names only some of them. */
function isAbout(known: KnownRequest, fingerprint: string): boolean {
  return known.fingerprint === fingerprint || known.storm !== undefined;
}

export function refOf({ namespace, name }: KnownRequest): RequestRef {
  return { namespace, name };
}

/** What a request says of its own past. */
export function seenOf({ occurrences, createdAt }: KnownRequest): Pick<Occurrences, 'count' | 'firstSeen'> {
  return occurrences ?? { count: 1, firstSeen: createdAt };
}
