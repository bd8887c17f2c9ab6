import { isFailure, KubernetesApiError } from '../kubernetes/kubernetes-api.error';
import { isDnsLabel } from '../kubernetes/kubernetes-names';
import { toKnownRequest, type KnownRequest } from '../kubernetes/known-request';
import type { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import { buildRemediationRequest, type Classification } from '../kubernetes/remediation-request.factory';
import type { Clock } from '../clock';
import type { Signal } from '../signal/signal';
import { standingOf } from './deduplication/standing';
import type { RequestRef } from '../state/signal-state';

export type Opened =
  | { readonly kind: 'created'; readonly request: RequestRef; readonly generation: number }
  /** Somebody else's request carries the incident already. */
  | { readonly kind: 'carried'; readonly request: KnownRequest };

/** The namespace that takes requests without one of their own does not exist, or is being deleted. */
export class FallbackNamespaceError extends Error {
  override readonly name = 'FallbackNamespaceError';

  constructor(
    readonly namespace: string,
    /** Whether it is the signal's own and being deleted, so that no retry will help. */
    readonly ofSignal: boolean,
  ) {
    super(`namespace "${namespace}" cannot take RemediationRequests`);
  }
}

/** More than a name with 6 digits, one with 12, the fallback namespace and a few generations can ask for. */
const maxAttempts = 12;

/** Creates the request of an incident where it can be created, under the name that arbitrates between replicas. */
export class RequestOpener {
  constructor(
    private readonly client: RemediationRequestClient,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    private readonly fallbackNamespace: string,
  ) {}

  /**
   * Tries the signal's namespace, then the fallback. A name that is taken is read: by the same incident and still
   * counting, it carries the signal; by an earlier episode, the next generation follows; by another incident that shares
   * the first digits, more digits are used (contract, section 5).
   * @throws KubernetesApiError, FallbackNamespaceError
   */
  async open(
    signal: Signal,
    classification: Classification,
    generation: number,
    deadline: AbortSignal,
  ): Promise<Opened> {
    let place: { namespace: string; generation: number; digits: 6 | 12 } = {
      namespace: isDnsLabel(signal.namespace) ? signal.namespace : this.fallbackNamespace,
      generation,
      digits: 6,
    };
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const request = buildRemediationRequest(signal, classification, place);
      const ref = { namespace: place.namespace, name: request.metadata.name ?? '' };
      try {
        await this.client.create(request, deadline);
        return { kind: 'created', request: ref, generation: place.generation };
      } catch (error) {
        if (isFailure(error, 'namespace-unusable')) {
          if (place.namespace === this.fallbackNamespace) {
            // One that is not there can be made; one that is being deleted will never take this request.
            const hopeless = place.namespace === signal.namespace && error.statusCode !== 404;
            throw new FallbackNamespaceError(place.namespace, hopeless);
          }
          place = { ...place, namespace: this.fallbackNamespace };
        } else if (isFailure(error, 'already-exists')) {
          const existing = await this.read(ref, deadline);
          if (existing === undefined) continue;
          if (existing.fingerprint !== signal.fingerprint) place = { ...place, digits: 12 };
          else {
            const standing = standingOf([existing], this.clock.now(), this.cooldownMs);
            if (standing.kind === 'carried') return { kind: 'carried', request: standing.request };
            place = { ...place, generation: standing.generation };
          }
        } else throw error;
      }
    }
    throw new KubernetesApiError('conflict', `no free name for the request of ${signal.fingerprint}`);
  }

  /** `undefined` if it was deleted in between. */
  private async read(ref: RequestRef, deadline: AbortSignal): Promise<KnownRequest | undefined> {
    try {
      return toKnownRequest(await this.client.get(ref, deadline), this.clock.now());
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined;
      throw error;
    }
  }
}
