import { Injectable } from '@nestjs/common';
import type { V1ListMeta } from '@kubernetes/client-node';
import { DeadlineExceededError, remainingMs } from '../deadline';
import { Lanes } from '../lanes';
import type { RequestRef } from '../request-ref';
import { ExchangeAbandonedError } from './http-exchange';
import { KubernetesApi } from './kubernetes-api';
import { isFailure, KubernetesApiError } from './kubernetes-api.error';
import { metadataTypes } from './metadata-types';
import { fingerprintLabel } from './kubernetes-names';
import {
  remediationRequests,
  requestLabels,
  type RemediationRequest,
  type RemediationRequestSpec,
} from './remediation-request';

export const requestsPath = `/apis/${remediationRequests.group}/${remediationRequests.version}`;

/** Writes that wait for one under way to end; beyond it they fail at once, so that a backlog cannot grow without end. */
const maxWaiting = 2_000;

/** Calls about RemediationRequests. Every failure is a `KubernetesApiError`, or a `DeadlineExceededError`. */
@Injectable()
export class RemediationRequestClient {
  /** By namespace: one whose admission webhook hangs takes half of the places at the most. */
  private readonly writes: Lanes;

  constructor(
    private readonly api: KubernetesApi,
    maxWritesInFlight: number,
  ) {
    this.writes = new Lanes({ places: maxWritesInFlight, ofLane: Math.ceil(maxWritesInFlight / 2) });
  }

  get writesInFlight(): number {
    return this.writes.inUse;
  }

  get writesWaiting(): number {
    return this.writes.waitingCount;
  }

  /**
   * Strict: a field that the installed CRD does not know is an error, not silently dropped. Of the answer only the metadata is
   * asked for: the rest is what was sent, and what somebody else makes of it the watch will show.
   * @param shown the version that the watch shows of it by then: an answer of that version is not read, and what is returned has what was
   *   sent and that version, by which `WatchCache.observe` finds the rest
   */
  create(
    request: RemediationRequest,
    signal?: AbortSignal,
    shown?: () => string | undefined,
  ): Promise<RemediationRequest> {
    const path = `${collection(request.metadata.namespace ?? '')}?fieldValidation=Strict`;
    const read = (answer: string): RemediationRequest => {
      const resourceVersion = shown?.();
      // Inside a text its quotes would be escaped.
      const metadata =
        resourceVersion !== undefined && answer.includes(`"resourceVersion":"${resourceVersion}"`)
          ? Object.assign({}, request.metadata, { resourceVersion })
          : (JSON.parse(answer) as Pick<RemediationRequest, 'metadata'>).metadata;
      return { ...request, metadata };
    };
    const options = { body: request, accept: metadataTypes.object, read, signal };
    return this.write(request.metadata.namespace, () => this.api.call('POST', path, options), signal);
  }

  /** As `create`, but nothing is stored. */
  tryCreate(request: RemediationRequest, signal?: AbortSignal): Promise<RemediationRequest> {
    const path = `${collection(request.metadata.namespace ?? '')}?fieldValidation=Strict&dryRun=All`;
    return this.api.call('POST', path, { body: request, signal });
  }

  /**
   * Merges into the status. Answers the request as it then stands.
   * @param resourceVersion the version that the patch was made for; any other is a `conflict`
   */
  patchStatus(
    ref: RequestRef,
    status: object,
    resourceVersion: string,
    signal?: AbortSignal,
  ): Promise<RemediationRequest> {
    const body = { metadata: { resourceVersion }, status };
    const contentType = 'application/merge-patch+json';
    const path = `${item(ref)}/status`;
    return this.write(ref.namespace, () => this.api.call('PATCH', path, { body, contentType, signal }), signal);
  }

  get(ref: RequestRef, signal?: AbortSignal): Promise<RemediationRequest> {
    return this.api.call('GET', item(ref), { signal });
  }

  /** As `get`; `undefined` when it is not there. */
  async find(ref: RequestRef, signal?: AbortSignal): Promise<RemediationRequest | undefined> {
    try {
      return await this.get(ref, signal);
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** All requests that carry this fingerprint, in whatever namespace. */
  async listByFingerprint(fingerprint: string, signal?: AbortSignal): Promise<RemediationRequest[]> {
    const selector = encodeURIComponent(`${requestLabels.fingerprint}=${fingerprintLabel(fingerprint)}`);
    const list = await this.api.call<{ metadata: V1ListMeta; items: RemediationRequest[] }>(
      'GET',
      `${requestsPath}/${remediationRequests.plural}?labelSelector=${selector}`,
      { signal },
    );
    // The label holds 63 of the 64 digits, and anybody may set it.
    return list.items.filter(
      ({ spec }) => (spec as Partial<RemediationRequestSpec> | undefined)?.fingerprint === fingerprint,
    );
  }

  /** @throws DeadlineExceededError when there is no answer in time, also while it waits for its turn */
  private write<T>(namespace = '', call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.writesWaiting >= maxWaiting)
      return Promise.reject(new KubernetesApiError('overloaded', 'too many writes wait for the API server'));
    return this.writes.run(namespace, call, signal).catch((error: unknown) => {
      // The timer of a call may go off a moment before the deadline itself.
      const isLate =
        isFailure(error, 'unavailable') && (error.cause instanceof ExchangeAbandonedError || remainingMs(signal) <= 0);
      throw isLate ? new DeadlineExceededError({ cause: error }) : error;
    });
  }
}

function collection(namespace: string): string {
  return `${requestsPath}/namespaces/${encodeURIComponent(namespace)}/${remediationRequests.plural}`;
}

function item(ref: RequestRef): string {
  return `${collection(ref.namespace)}/${encodeURIComponent(ref.name)}`;
}
