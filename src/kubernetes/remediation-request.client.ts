import { Injectable } from '@nestjs/common';
import type { V1ListMeta } from '@kubernetes/client-node';
import type { RequestRef } from '../state/signal-state';
import { KubernetesApi } from './kubernetes-api';
import { fingerprintLabel } from './kubernetes-names';
import {
  remediationRequests,
  requestLabels,
  type RemediationRequest,
  type RemediationRequestSpec,
} from './remediation-request';

export const requestsPath = `/apis/${remediationRequests.group}/${remediationRequests.version}`;

/** Calls about RemediationRequests. Every failure is a `KubernetesApiError`. */
@Injectable()
export class RemediationRequestClient {
  constructor(private readonly api: KubernetesApi) {}

  /** Strict: a field that the installed CRD does not know is an error, not silently dropped. */
  create(request: RemediationRequest, signal?: AbortSignal): Promise<RemediationRequest> {
    return this.api.call('POST', `${collection(request.metadata.namespace ?? '')}?fieldValidation=Strict`, {
      body: request,
      signal,
    });
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
}

function collection(namespace: string): string {
  return `${requestsPath}/namespaces/${encodeURIComponent(namespace)}/${remediationRequests.plural}`;
}

function item(ref: RequestRef): string {
  return `${collection(ref.namespace)}/${encodeURIComponent(ref.name)}`;
}
