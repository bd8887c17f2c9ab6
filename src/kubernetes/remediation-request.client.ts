import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import type { V1ListMeta } from '@kubernetes/client-node';
import { beforeDeadline } from '../deadline';
import type { RequestRef } from '../state/signal-state';
import { KubernetesApi } from './kubernetes-api';
import { KubernetesApiError } from './kubernetes-api.error';
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
  private readonly writes: LimitFunction;

  constructor(
    private readonly api: KubernetesApi,
    maxWritesInFlight: number,
  ) {
    this.writes = pLimit(maxWritesInFlight);
  }

  get writesInFlight(): number {
    return this.writes.activeCount;
  }

  get writesWaiting(): number {
    return this.writes.pendingCount;
  }

  /** Strict: a field that the installed CRD does not know is an error, not silently dropped. */
  create(request: RemediationRequest, signal?: AbortSignal): Promise<RemediationRequest> {
    const path = `${collection(request.metadata.namespace ?? '')}?fieldValidation=Strict`;
    return this.write(() => this.api.call('POST', path, { body: request, signal }), signal);
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
    return this.write(() => this.api.call('PATCH', `${item(ref)}/status`, { body, contentType, signal }), signal);
  }

  get(ref: RequestRef, signal?: AbortSignal): Promise<RemediationRequest> {
    return this.api.call('GET', item(ref), { signal });
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

  /** @throws DeadlineExceededError also while it waits for its turn */
  private write<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.writes.pendingCount >= maxWaiting)
      return Promise.reject(new KubernetesApiError('overloaded', 'too many writes wait for the API server'));
    const written = this.writes(call);
    return signal === undefined ? written : beforeDeadline(written, signal);
  }
}

function collection(namespace: string): string {
  return `${requestsPath}/namespaces/${encodeURIComponent(namespace)}/${remediationRequests.plural}`;
}

function item(ref: RequestRef): string {
  return `${collection(ref.namespace)}/${encodeURIComponent(ref.name)}`;
}
