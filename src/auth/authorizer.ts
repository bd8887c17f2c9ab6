import { hash } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import { gatewayItself, type Caller } from '../caller';
import type { Clock } from '../clock';
import { beforeDeadline, deadlineIn } from '../deadline';
import { messageOf } from '../error-message';
import type { AccessReviewClient } from '../kubernetes/access-review.client';
import { Lanes } from '../lanes';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { recentlyUsed } from '../recently-used';

/** It could not be found out whether a caller may do something. A retry can heal it. */
export class AuthorizationUnavailableError extends Error {
  override readonly name = 'AuthorizationUnavailableError';
}

/** What was found out about the namespaces that were asked about; of those in neither the caller may send for none. */
export interface Permissions {
  readonly allowed: ReadonlySet<string>;
  /** What kept a namespace's from being found out: AuthorizationUnavailableError, DeadlineExceededError. */
  readonly untold: ReadonlyMap<string, unknown>;
}

export interface AuthorizerOptions {
  /** How long a permission is believed. Milliseconds. */
  readonly allowedTtlMs: number;
  /** How long a refusal is believed. Milliseconds. */
  readonly deniedTtlMs: number;
  readonly maxReviewsInFlight: number;
}

const maxCached = 10_000;
/** Reviews that wait for one in flight to end; beyond it we are overloaded. */
const maxWaiting = 1_000;
const maxInFlightOfCaller = 4;
const maxWaitingOfCaller = 500;
/** Of one webhook, so many refusals have a line each. */
const maxLines = 10;
/** A review, its repetitions and the wait for its turn: two of them fit into the time of an answer where the first is quick. */
const reviewMs = 4_000;
const everyNamespace = '';
const noneUntold: ReadonlyMap<string, unknown> = new Map();

/**
 * Finds out for which namespaces a caller may send signals, by SubjectAccessReview: `create` on the virtual resource
 * `signals.gateway.kubernaut.io`, so that RBAC can hand one team's Alertmanager just its own namespaces (contract, section 3).
 *
 * It asks for all namespaces first. Permissions and refusals are cached apart; a review that failed is not.
 */
export class Authorizer {
  private readonly allowed: LRUCache<string, true>;
  private readonly denied: LRUCache<string, true>;
  private readonly inFlight = new Map<string, Promise<boolean>>();
  private readonly identities = new WeakMap<Caller, string>();
  /** By caller: nobody holds up others by naming many namespaces. */
  private readonly lanes: Lanes;
  private reviewsFail = false;

  constructor(
    private readonly reviews: AccessReviewClient,
    options: AuthorizerOptions,
    clock: Clock,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {
    const common = { ttlResolution: 0, perf: clock };
    this.allowed = recentlyUsed(maxCached, { ...common, ttl: options.allowedTtlMs });
    this.denied = recentlyUsed(maxCached, { ...common, ttl: options.deniedTtlMs });
    this.lanes = new Lanes({ places: options.maxReviewsInFlight, ofLane: maxInFlightOfCaller });
  }

  get sizes(): { readonly allowed: number; readonly denied: number } {
    return { allowed: this.allowed.size, denied: this.denied.size };
  }

  /**
   * Which of these namespaces the caller may send signals of a source for; at once where that is known for all of them.
   * @throws AuthorizationUnavailableError, DeadlineExceededError when it can be told of none
   */
  permissionsOf(
    caller: Caller,
    source: string,
    namespaces: ReadonlySet<string>,
    deadline: AbortSignal,
  ): Permissions | Promise<Permissions> {
    if (caller === gatewayItself) return { allowed: namespaces, untold: noneUntold };
    const everywhere = this.may(caller, source, everyNamespace, deadline);
    if (everywhere === true) return this.allowEverywhere(namespaces);
    return this.permissionsOfEach(everywhere, caller, source, namespaces, deadline);
  }

  private allowEverywhere(namespaces: ReadonlySet<string>): Permissions {
    this.metrics.authorization.count({ result: 'allowed' }, namespaces.size);
    return { allowed: namespaces, untold: noneUntold };
  }

  private async permissionsOfEach(
    everywhere: boolean | Promise<boolean>,
    caller: Caller,
    source: string,
    namespaces: ReadonlySet<string>,
    deadline: AbortSignal,
  ): Promise<Permissions> {
    if (await everywhere) return this.allowEverywhere(namespaces);
    const allowed = new Set<string>();
    const denied: string[] = [];
    const untold = new Map<string, unknown>();
    const ask = async (namespace: string): Promise<void> => {
      try {
        if (await this.may(caller, source, namespace, deadline)) allowed.add(namespace);
        else denied.push(namespace);
      } catch (error) {
        // It is that namespace's alone: the alerts of others go on.
        untold.set(namespace, error);
      }
    };
    await Promise.all([...namespaces].map(ask));
    this.metrics.authorization.count({ result: 'allowed' }, allowed.size);
    this.metrics.authorization.count({ result: 'denied' }, denied.length);
    for (const namespace of denied.slice(0, maxLines)) this.log.warn({ namespace }, 'authorization failed');
    if (denied.length > maxLines) this.log.warn({ more_namespaces: denied.length - maxLines }, 'authorization failed');
    return { allowed, untold };
  }

  private may(caller: Caller, source: string, namespace: string, deadline: AbortSignal): boolean | Promise<boolean> {
    const key = `${this.identityOf(caller)} ${source} ${namespace}`;
    if (this.allowed.has(key)) return true;
    if (this.denied.has(key)) return false;
    const running = this.inFlight.get(key) ?? this.review(caller, source, namespace, key);
    return beforeDeadline(running, deadline);
  }

  /** Shared by all who ask at the same time: it has the time of a call, not that of one of them. */
  private review(caller: Caller, source: string, namespace: string, key: string): Promise<boolean> {
    const lane = this.identityOf(caller);
    if (this.lanes.waitingForAll >= maxWaiting || this.lanes.waitingIn(lane) >= maxWaitingOfCaller)
      return Promise.reject(new AuthorizationUnavailableError('too many access reviews are waiting'));
    const due = deadlineIn(reviewMs);
    const review = () => this.reviews.maySend(caller, source, namespace, due.signal);
    const running = this.lanes
      .run(lane, review, due.signal)
      .then(
        (allowed) => {
          (allowed ? this.allowed : this.denied).set(key, true);
          if (this.reviewsFail) this.log.info({}, 'access review available again');
          this.reviewsFail = false;
          return allowed;
        },
        (error: unknown) => {
          throw this.unavailable(messageOf(error));
        },
      )
      .finally(() => {
        due.clear();
        this.inFlight.delete(key);
      });
    this.inFlight.set(key, running);
    return running;
  }

  private unavailable(reason: string): AuthorizationUnavailableError {
    this.metrics.authorization.count({ result: 'error' });
    if (!this.reviewsFail) this.log.error({ reason }, 'authorization failed: access review unavailable');
    this.reviewsFail = true;
    return new AuthorizationUnavailableError(reason);
  }

  /** All that an authorizer may decide by. Two tokens of one account are one identity, unless their groups or extras differ. */
  private identityOf(caller: Caller): string {
    let identity = this.identities.get(caller);
    if (identity === undefined) {
      const { username, uid, groups = [], extra = {} } = caller;
      identity = hash('sha256', JSON.stringify([username, uid, groups, extra]), 'base64');
      this.identities.set(caller, identity);
    }
    return identity;
  }
}
