import type { Clock } from '../clock';
import { isFailure, KubernetesApiError } from '../kubernetes/kubernetes-api.error';
import { toKnownRequest, type KnownRequest } from '../kubernetes/known-request';
import type { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../kubernetes/remediation-request.index';
import { keyOf, type RequestRef } from '../request-ref';

/** What becomes of a status. */
export interface StatusDecision {
  /** Merged into it; absent when it stands as it should. */
  readonly patch?: object | undefined;
  /** Whether it tells of what is said once: that it stands as it should has to be true of the object itself, and of the last generation. */
  readonly mustBeSo?: boolean;
}

export interface WrittenStatus {
  /** As it then stands; `undefined` when it is gone. */
  readonly request: KnownRequest | undefined;
  readonly patched: boolean;
  /** Whether the API server was asked at all. */
  readonly asked: boolean;
}

/** Other replicas write the same status at the same time: so often it is read again. */
const maxAttempts = 12;

/** Writes the status of requests, by what each is: as the watch shows it, and as the API server has it once somebody else has written in between. */
export class StatusWriter {
  constructor(
    private readonly client: RemediationRequestClient,
    private readonly index: RemediationRequestIndex,
    private readonly clock: Clock,
  ) {}

  /**
   * @param decide by the request as it is, `undefined` when it is gone; asked again whenever that has changed
   * @throws KubernetesApiError, DeadlineExceededError and what `decide` throws
   */
  async write(
    ref: RequestRef,
    decide: (known: KnownRequest | undefined) => StatusDecision | Promise<StatusDecision>,
    signal: AbortSignal,
  ): Promise<WrittenStatus> {
    const watched = this.index.get(ref);
    let known = watched;
    let hasRecurred = false;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      known ??= await this.read(ref, signal);
      const asked = known === undefined || known !== watched;
      const { patch, mustBeSo = false } = await decide(known);
      if (known === undefined || (patch === undefined && (asked || !mustBeSo)))
        return { request: known, patched: false, asked };
      if (mustBeSo && this.isCarriedOn(known, hasRecurred))
        throw new KubernetesApiError('conflict', `what ${keyOf(ref)} carries goes on in its next generation`);
      hasRecurred ||= known.recurredAt !== undefined;
      const { resourceVersion } = known;
      known = undefined;
      if (patch === undefined) continue;
      try {
        const patched = await this.client.patchStatus(ref, patch, resourceVersion, signal);
        return { request: this.index.observe(patched), patched: true, asked: true };
      } catch (error) {
        if (!isFailure(error, 'conflict') && !isFailure(error, 'not-found')) throw error;
      }
    }
    throw new KubernetesApiError('conflict', `the status of ${keyOf(ref)} keeps changing`);
  }

  /** @param hasRecurred whether it waited for its next generation a moment ago */
  private isCarriedOn(known: KnownRequest, hasRecurred: boolean): boolean {
    const { fingerprint, namespace, generation, overSince, recurredAt, resolvedSince } = known;
    if (overSince === undefined || recurredAt !== undefined) return false;
    if (hasRecurred && resolvedSince === undefined) return true;
    const isLater = (other: KnownRequest) =>
      other.fingerprint === fingerprint &&
      other.namespace === namespace &&
      other.generation > generation &&
      other.overSince === undefined;
    return this.index.peek(fingerprint).some(isLater);
  }

  private async read(ref: RequestRef, signal: AbortSignal): Promise<KnownRequest | undefined> {
    const found = await this.client.find(ref, signal);
    return found && toKnownRequest(found, this.clock.now());
  }
}
