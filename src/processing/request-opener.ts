import { isFailure, KubernetesApiError } from '../kubernetes/kubernetes-api.error';
import { isDnsLabel } from '../kubernetes/kubernetes-names';
import type { KnownRequest } from '../kubernetes/known-request';
import { claimAnnotation, type FiringAlert } from '../kubernetes/remediation-request';
import type { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import type { RemediationRequestIndex } from '../kubernetes/remediation-request.index';
import {
  buildRemediationRequest,
  type Classification,
  type StormIdentity,
} from '../kubernetes/remediation-request.factory';
import type { Clock } from '../clock';
import type { SharedLimit } from '../rate-limit/shared-limit';
import type { Signal } from '../signal/signal';
import { isClusterWide } from '../signal/target-resource';
import { standingOf } from './deduplication/standing';
import type { RequestRef } from '../request-ref';

/** An incident that has no request. */
export interface NewIncident {
  readonly signal: Signal;
  /** The sender's alerts that are this incident now. */
  readonly firingAlerts: readonly FiringAlert[];
  /** Unique among all replicas for the fingerprint of the signal. */
  readonly claim: string;
  /** Of the request of a storm. */
  readonly storm?: StormIdentity;
}

export type Opened =
  | {
      readonly kind: 'created';
      readonly request: RequestRef;
      /** As it was created. */
      readonly known: KnownRequest;
      readonly generation: number;
    }
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

/** A namespace has had as many new signals as it may. */
export class NamespaceOverLimitError extends Error {
  override readonly name = 'NamespaceOverLimitError';

  constructor(namespace: string) {
    super(`more new signals than rate_limit.per_namespace in namespace "${namespace}"`);
  }
}

/** More than a name with 6 digits, one with 12, the fallback namespace and a few generations can ask for. */
const maxAttempts = 12;

/** Creates the request of an incident where it can be created, under the name that arbitrates between replicas. */
export class RequestOpener {
  constructor(
    private readonly client: RemediationRequestClient,
    private readonly index: RemediationRequestIndex,
    private readonly clock: Clock,
    private readonly cooldownMs: number,
    private readonly fallbackNamespace: string,
    /** New signals of a namespace; `undefined` when they are not limited. */
    private readonly limit?: SharedLimit,
  ) {}

  /** The namespace that a signal is for, and that its sender must be allowed to send for. */
  namespaceFor({ namespace }: Signal): string {
    return isDnsLabel(namespace) ? namespace : this.fallbackNamespace;
  }

  /**
   * One more that it must be allowed to send for: what no namespace has is the cluster's, though the signal names a namespace
   * (docs/adr/0012-the-cluster-is-no-teams.md).
   */
  furtherNamespaceFor({ resource }: Signal): string | undefined {
    return isClusterWide(resource.kind) ? this.fallbackNamespace : undefined;
  }

  /**
   * Creates the request, unless the namespace has had its new signals.
   * @throws NamespaceOverLimitError, KubernetesApiError, FallbackNamespaceError, DeadlineExceededError
   */
  open(
    incident: NewIncident,
    classification: Classification,
    generation: number,
    deadline: AbortSignal,
  ): Promise<Opened> {
    const open = () => this.create(incident, classification, generation, deadline);
    return this.limit === undefined ? open() : withinLimit(this.limit, this.namespaceFor(incident.signal), open);
  }

  /**
   * Tries the signal's namespace, then the fallback. A name that is taken is read: by the same incident and still
   * counting, it carries the signal; by an earlier episode, the next generation follows; by another incident that shares
   * the first digits, more digits are used (contract, section 5).
   * @throws KubernetesApiError, FallbackNamespaceError, DeadlineExceededError
   */
  private async create(
    { signal, firingAlerts, claim, storm }: NewIncident,
    classification: Classification,
    generation: number,
    deadline: AbortSignal,
  ): Promise<Opened> {
    let place: { namespace: string; generation: number; digits: 6 | 12 } = {
      namespace: this.namespaceFor(signal),
      generation,
      digits: 6,
    };
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const request = buildRemediationRequest(signal, classification, place, firingAlerts, claim, storm);
      const ref = { namespace: place.namespace, name: request.metadata.name ?? '' };
      try {
        const shown = () => this.index.get(ref)?.resourceVersion;
        const known = this.index.observe(await this.client.create(request, deadline, shown));
        return { kind: 'created', request: ref, known, generation: place.generation };
      } catch (error) {
        if (isFailure(error, 'namespace-unusable')) {
          if (place.namespace === this.fallbackNamespace) {
            // One that is not there can be made; one that is being deleted will never take this request.
            const hopeless = place.namespace === signal.namespace && error.statusCode !== 404;
            throw new FallbackNamespaceError(place.namespace, hopeless);
          }
          place = { ...place, namespace: this.fallbackNamespace };
        } else if (isFailure(error, 'already-exists')) {
          const found = await this.client.find(ref, deadline);
          // It was deleted in between.
          if (found === undefined) continue;
          const existing = this.index.observe(found);
          // First: incidents that were claimed together share a claim.
          if (existing.fingerprint !== signal.fingerprint) place = { ...place, digits: 12 };
          // Ours, from a create whose answer was lost.
          else if (found.metadata.annotations?.[claimAnnotation] === claim)
            return { kind: 'created', request: ref, known: existing, generation: place.generation };
          else {
            const standing = standingOf([existing], this.clock.now(), this.cooldownMs, signal.occurredAt);
            if (standing.kind === 'carried') return { kind: 'carried', request: standing.request };
            place = { ...place, generation: standing.generation };
          }
        } else throw error;
      }
    }
    throw new KubernetesApiError('conflict', `no free name for the request of ${signal.fingerprint}`);
  }
}

/** What opened none does not count. */
async function withinLimit(limit: SharedLimit, namespace: string, open: () => Promise<Opened>): Promise<Opened> {
  if ((await limit.take(namespace)) > 0) throw new NamespaceOverLimitError(namespace);
  let created = false;
  try {
    const opened = await open();
    created = opened.kind === 'created';
    return opened;
  } finally {
    if (!created) limit.giveBack(namespace);
  }
}
