import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../clock';
import { beforeDeadline } from '../../deadline';
import { isFailure } from '../../kubernetes/kubernetes-api.error';
import { toKnownRequest, type KnownRequest } from '../../kubernetes/known-request';
import type { RemediationRequestClient } from '../../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../../kubernetes/remediation-request.index';
import type { Signal } from '../../signal/signal';
import { membersLifeMs } from '../../state/storm-members';
import type { Claim, Confirmation, Entry, Found, Occurrences, Release, SignalState } from '../../state/signal-state';
import { keyOf, type RequestRef } from '../../request-ref';
import { concurrently } from '../concurrently';
import type { StormLookup } from '../storm/storm-lookup';
import type { Duplicate } from '../signal-outcome';
import { standingOf, type Standing } from './standing';

/** A firing signal that nothing carries, held by us until it is settled. */
export interface FreshSignal {
  readonly kind: 'fresh';
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
  /** Without one: whether nobody knows what became of its create. */
  readonly mayAppear?: boolean;
}

/** A firing signal that a request carries. */
export interface CarriedSignal {
  readonly kind: 'carried';
  readonly outcome: Duplicate;
  /** The request, unless the API server could not be asked. */
  readonly known: KnownRequest | undefined;
}

/** What a firing signal is sorted as. */
export type Claimed =
  | CarriedSignal
  | FreshSignal
  /** Somebody is creating the request for it right now. */
  | { readonly kind: 'pending' }
  /** Known, but the cluster refuses to say whether by a request that still counts. */
  | { readonly kind: 'failed'; readonly error: unknown };

type Duplicated = Extract<Claim, { outcome: 'duplicate' }>;
/** A signal whose entry points to a request that is over, or that the watch does not show. */
interface Undecided {
  /** Its place among the others. */
  readonly at: number;
  readonly signal: Signal;
  readonly claim: Duplicated;
  readonly known: KnownRequest | undefined;
}

/** The request that carries an incident now, else its last one; or that it is being created, or cannot be told. */
export type Latest = KnownRequest | 'creating' | 'unreadable' | undefined;

/** What there is of a request. */
type Looked = KnownRequest | 'deleted' | 'unknown';
type Look = (entry: { readonly request: RequestRef }) => Promise<Looked>;

const pending: Claimed = { kind: 'pending' };
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
  /** Fingerprints that this process is creating a request for, so that others in it wait instead of polling, and who waits, if anybody does. */
  private readonly inFlight = new Map<string, PromiseWithResolvers<void> | undefined>();

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
   * Sorts signals of distinct fingerprints; answers at their indices. Each `fresh` one must be settled, whatever happens.
   * @throws StateUnavailableError
   */
  async claim(signals: readonly Signal[], deadline: AbortSignal): Promise<Claimed[]> {
    const claims = await this.state.claim(signals);
    const undecided: Undecided[] = [];
    const claimed = signals.map((signal, at) => {
      const claim = claims[at];
      if (claim?.outcome !== 'duplicate') return this.held(signal, claim);
      const known = this.index.get(claim.request);
      if (known !== undefined && !this.isOver(signal, claim, known)) return carriedBy(claim, known);
      undecided.push({ at, signal, claim, known });
      return pending;
    });
    if (undecided.length > 0) await this.decide(undecided, claimed, deadline);
    return claimed;
  }

  /** Asks the API server for what is not watched, and claims again what turns out to be over. Never rejects: fresh ones stand beside these. */
  private async decide(undecided: readonly Undecided[], claimed: Claimed[], deadline: AbortSignal): Promise<void> {
    // Together, each request once, however many signals it carries.
    const look = this.lookOnce(deadline);
    const over: Undecided[] = [];
    await concurrently(undecided, async (one) => {
      try {
        const found = one.known ?? (await look(one.claim));
        if (found === 'deleted' || (found !== 'unknown' && this.isOver(one.signal, one.claim, found))) over.push(one);
        else claimed[one.at] = carriedBy(one.claim, found);
      } catch (error) {
        claimed[one.at] = { kind: 'failed', error };
      }
    });
    if (over.length === 0) return;
    // Without an answer they stay open, and the next round hears why.
    const again = await this.state
      .claim(over.map(({ claim: { fingerprint, request } }) => ({ fingerprint, over: request })))
      .catch((): Claim[] => []);
    for (const [i, { at, signal }] of over.entries()) {
      const claim = again[i];
      claimed[at] = claim?.outcome === 'duplicate' ? carriedBy(claim, 'unknown') : this.held(signal, claim);
    }
  }

  /** Commits what has a request and gives the others back. One round trip; a failure is harmless, for the object exists. */
  async settle(settlements: readonly Settlement[]): Promise<(Occurrences | undefined)[]> {
    const confirmations: Confirmation[] = [];
    const releases: Release[] = [];
    for (const { fresh, request, known, storm, mayAppear } of settlements) {
      const { token } = fresh;
      const { fingerprint } = fresh.signal;
      if (request === undefined) releases.push({ fingerprint, token, mayAppear });
      else
        confirmations.push({
          fingerprint,
          token,
          request,
          known: known && seenOf(known),
          lifeMs: storm ? membersLifeMs : undefined,
        });
    }
    try {
      const released = releases.length > 0 ? this.state.release(releases).catch(() => undefined) : undefined;
      const confirmed = confirmations.length > 0 ? await this.state.confirm(confirmations) : [];
      await released;
      let next = 0;
      return settlements.map(({ request }) => (request === undefined ? undefined : confirmed[next++]));
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
    const freed = Promise.all(pending.map(({ fingerprint }) => this.freed(fingerprint) ?? delay(poll)));
    await beforeDeadline(freed, deadline);
  }

  /** `undefined` when this process does not hold it. */
  private freed(fingerprint: string): Promise<void> | undefined {
    if (!this.inFlight.has(fingerprint)) return undefined;
    const waiting = this.inFlight.get(fingerprint) ?? Promise.withResolvers<void>();
    this.inFlight.set(fingerprint, waiting);
    return waiting.promise;
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
   * @throws StateUnavailableError, KubernetesApiError
   */
  async latestOf(signals: readonly Signal[], deadline: AbortSignal): Promise<Latest[]> {
    const standings = await concurrently(signals, (signal) => this.standing(signal, deadline));
    const uncarried = signals.filter((_, i) => standings[i]?.kind !== 'carried');
    // What another replica has just created is in the memory before it is in our watch.
    const entries =
      uncarried.length === 0 ? [] : await this.state.find(uncarried.map(({ fingerprint }) => fingerprint));
    const look = this.lookOnce(deadline);
    const remembered = await concurrently(uncarried, (signal, i) => this.remembered(signal, entries[i], look));
    const bySignal = new Map(uncarried.map((signal, i) => [signal, remembered[i]]));
    return signals.map((signal, i) => {
      const standing = standings[i];
      return standing?.kind === 'carried' ? standing.request : (bySignal.get(signal) ?? standing?.over);
    });
  }

  /** As `latestOf`, of one that no watched request carries, by what the memory says of it. */
  private async remembered(signal: Signal, entry: Found, look: Look): Promise<Latest> {
    const { fingerprint } = signal;
    if (entry === 'pending' || (entry === undefined && this.inFlight.has(fingerprint))) return 'creating';
    if (entry === 'uncertain') return 'unreadable';
    const known = entry && (this.index.get(entry.request) ?? (await look(entry)));
    if (known === 'unknown') return 'unreadable';
    const entered = known === 'deleted' ? undefined : known;
    if (entry !== undefined && entered !== undefined && !this.isOver(signal, entry, entered)) return entered;
    return this.storms.requestOf(signal) ?? (entered && isAbout(entered, fingerprint) ? entered : undefined);
  }

  private standingAmong(found: readonly KnownRequest[], signal: Signal): Standing {
    const { fingerprint, occurredAt } = signal;
    const own = found.filter((request) => request.fingerprint === fingerprint);
    const standing = standingOf(own, this.clock.now(), this.cooldownMs, occurredAt);
    if (standing.kind === 'carried' || own.length === found.length) return standing;
    const group = this.storms.groupOf(signal);
    if (group === undefined) return standing;
    // A storm of which it is part, and by which it is named.
    const storm = this.storms.standing(group, found, occurredAt);
    return storm.kind === 'carried' ? storm : standing;
  }

  private held(signal: Signal, claim: Exclude<Claim, Duplicated> | undefined): Claimed {
    if (claim?.outcome !== 'new') return pending;
    // It may be there already, when a lease lapsed under its holder: whoever waits for it must still be woken.
    if (!this.inFlight.has(signal.fingerprint)) this.inFlight.set(signal.fingerprint, undefined);
    return { kind: 'fresh', signal, token: claim.token };
  }

  /** Whether the request that an entry points to does not count any more. */
  private isOver({ fingerprint, occurredAt }: Signal, { firstSeen }: Entry, known: KnownRequest): boolean {
    return (
      !isAbout(known, fingerprint) ||
      // It was part of an earlier storm whose request had this name.
      (known.storm !== undefined && firstSeen < known.createdAt - clockSkewMs) ||
      (known.overSince !== undefined &&
        standingOf([known], this.clock.now(), this.cooldownMs, occurredAt).kind === 'open')
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
      const found = await this.client.find(request, deadline);
      return found === undefined ? 'deleted' : toKnownRequest(found, this.clock.now());
    } catch (error) {
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

function carriedBy(claim: Duplicated, known: KnownRequest | 'unknown'): CarriedSignal {
  const { fingerprint, request, count, firstSeen, lastSeen } = claim;
  const outcome: Duplicate = { status: 'duplicate', fingerprint, request, count, firstSeen, lastSeen, reason: 'known' };
  return { kind: 'carried', outcome, known: known === 'unknown' ? undefined : known };
}

export function refOf({ namespace, name }: KnownRequest): RequestRef {
  return { namespace, name };
}

/** What a request says of its own past. */
export function seenOf({ occurrences, createdAt }: KnownRequest): Pick<Occurrences, 'count' | 'firstSeen'> {
  return occurrences ?? { count: 1, firstSeen: createdAt };
}
