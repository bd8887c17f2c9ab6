import type { LogSink } from '../logging/log-sink';
import { outsideRequests } from '../outside-requests';
import { deadlineIn } from '../deadline';
import type { AccessReviewClient } from './access-review.client';
import { isFailure } from './kubernetes-api.error';
import { inWords, type Permission } from './permissions';
import type { RemediationRequestClient } from './remediation-request.client';
import { inFull, tryRequest, type Finding } from './request-trial';

export interface SelfCheckOptions {
  readonly permissions: readonly Permission[];
  /** Where the request of the trial goes; it is never stored. */
  readonly namespace: string;
}

const checkTimeoutMs = 5_000;
/** While everything is well. */
const intervalMs = 300_000;
/** While something is not. */
const troubledIntervalMs = 10_000;
/** Until the API server answers for the first time. */
const firstIntervalMs = 1_000;
/** After a call was refused. */
const suspicionMs = 500;
const leastPauseMs = 5_000;

/**
 * Finds out whether the cluster lets the gateway do its work, before an alert does: each permission, by
 * SelfSubjectAccessReview, and a request with every field that is ever sent, by a create that the API server only tries
 * (dry run) under strict validation. That shows a CRD that is missing or too old as well.
 *
 * It is repeated from time to time, and soon after a call was refused.
 */
export class SelfCheck {
  /** What is wrong; `undefined` until it could be found out. */
  findings: readonly Finding[] | undefined;
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  /** Whether the next check is one that a refusal asked for. */
  private suspicious = false;
  private checkedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly reviews: AccessReviewClient,
    private readonly client: RemediationRequestClient,
    private readonly options: SelfCheckOptions,
    private readonly log: LogSink,
  ) {}

  start(): void {
    this.schedule(0);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await this.running;
  }

  /** A call was refused: what was right may have changed. */
  suspect(): void {
    if (this.suspicious || this.running !== undefined || this.stopping.signal.aborted) return;
    this.suspicious = true;
    const pause = this.checkedAt + leastPauseMs - performance.now();
    clearTimeout(this.timer);
    // It was refused to a request, and is checked for all.
    outsideRequests(() => this.schedule(Math.max(suspicionMs, pause)));
  }

  private schedule(afterMs: number): void {
    this.timer = setTimeout(() => {
      this.suspicious = false;
      this.running = this.check().finally(() => {
        this.running = undefined;
        if (!this.stopping.signal.aborted) this.schedule(this.pauseMs());
      });
    }, afterMs).unref();
  }

  private pauseMs(): number {
    if (this.findings === undefined) return firstIntervalMs;
    return this.findings.length === 0 ? intervalMs : troubledIntervalMs;
  }

  private async check(): Promise<void> {
    const due = deadlineIn(checkTimeoutMs);
    const signal = AbortSignal.any([this.stopping.signal, due.signal]);
    try {
      const [missing, trial] = await Promise.all([
        this.missingPermissions(signal),
        tryRequest(this.client, this.options.namespace, signal),
      ]);
      this.report([...missing, ...trial]);
    } catch {
      // The API server does not answer: that is told elsewhere, and says nothing about permissions.
    } finally {
      this.checkedAt = performance.now();
      due.clear();
    }
  }

  private async missingPermissions(signal: AbortSignal): Promise<Finding[]> {
    const { permissions } = this.options;
    try {
      const answers = await Promise.all(permissions.map((permission) => this.reviews.mayWe(permission, signal)));
      return permissions
        .filter((_, i) => answers[i] === false)
        .map((permission) => ({
          problem: `missing permission: ${inWords(permission)} (${permission.neededFor})`,
          essential: permission.essential,
        }));
    } catch (error) {
      // Told by the trial, which is refused as well.
      if (isFailure(error, 'unauthenticated')) return [];
      if (!isFailure(error, 'forbidden')) throw error;
      return [{ problem: 'cannot ask which permissions we have (SelfSubjectAccessReview)', essential: false }];
    }
  }

  /** One line when it changes. */
  private report(findings: readonly Finding[]): void {
    const before = this.findings;
    this.findings = findings;
    const problems = findings.map(inFull);
    if (before?.map(inFull).join() === problems.join()) return;
    if (findings.length > 0)
      this.log.error({ problems }, 'self-check failed: the cluster does not let the gateway work');
    else this.log.info({ permissions: this.options.permissions.length }, 'self-check passed');
  }
}
