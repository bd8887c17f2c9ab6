import { randomBytes } from 'node:crypto';
import { KubernetesApiError } from './kubernetes-api.error';
import type { RemediationRequestClient } from './remediation-request.client';
import { buildRemediationRequest } from './remediation-request.factory';
import { requestsCrd, type RemediationRequest } from './remediation-request';

/** Something that an operator has to put right. */
export interface Finding {
  /** In our words, which anybody may read. */
  readonly problem: string;
  /** In the cluster's own, which can hold what a policy or an address inside is called: for the log and for who works on it. */
  readonly clusterSays?: string;
  /** Whether no signal can be taken until then. */
  readonly essential: boolean;
}

/** With what the cluster says. */
export function inFull({ problem, clusterSays }: Finding): string {
  return clusterSays === undefined ? problem : `${problem}: ${clusterSays}`;
}

/**
 * Tries to create a request with every field that is ever sent, under strict validation, without keeping it: a CRD that is missing
 * or too old shows, and so does whoever refuses requests. Answers what is wrong.
 * @throws KubernetesApiError when the API server could not say
 */
export async function tryRequest(
  client: Pick<RemediationRequestClient, 'tryCreate'>,
  namespace: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  try {
    await client.tryCreate(trialRequest(namespace), signal);
    return [];
  } catch (error) {
    if (!(error instanceof KubernetesApiError)) throw error;
    return judge(error, namespace);
  }
}

function judge({ failure, statusCode, message: clusterSays }: KubernetesApiError, namespace: string): Finding[] {
  switch (failure) {
    case 'crd-unusable':
      return statusCode === 404
        ? [{ problem: `the CRD ${requestsCrd} is not installed`, essential: true }]
        : [{ problem: 'the installed CRD is too old, upgrade it', clusterSays, essential: true }];
    case 'invalid':
      // Webhooks that cannot be tried without effect say so with 400.
      if (/dry ?run/i.test(clusterSays)) return [];
      return [{ problem: 'the installed CRD is not ours', clusterSays, essential: true }];
    case 'namespace-unusable':
      return [{ problem: `the fallback namespace ${namespace} cannot be used`, essential: false }];
    case 'denied':
      return [{ problem: 'an admission policy refuses requests', clusterSays, essential: false }];
    case 'webhook-unavailable':
      return [{ problem: 'an admission webhook does not answer', clusterSays, essential: false }];
    case 'quota-exceeded':
      return [{ problem: `the quota of namespace ${namespace} is used up`, clusterSays, essential: false }];
    case 'unauthenticated':
      return [{ problem: 'our own credentials are not accepted', essential: true }];
    // Named by the permissions.
    case 'forbidden':
      return [];
    case 'unavailable':
    case 'overloaded':
    case 'not-found':
    case 'already-exists':
    case 'conflict':
    case 'expired':
      throw new KubernetesApiError(failure, clusterSays, statusCode);
  }
}

function trialRequest(namespace: string): RemediationRequest {
  const now = Date.now();
  const fingerprint = randomBytes(32).toString('hex');
  const url = 'http://x';
  const links = {
    generatorURL: url,
    externalURL: url,
    dashboardURL: url,
    panelURL: url,
    silenceURL: url,
    imageURL: url,
  };
  return buildRemediationRequest(
    {
      // Of any other the address stands in a member that every CRD has.
      source: 'grafana',
      name: 'gateway-self-check',
      status: 'firing',
      severity: 'info',
      namespace,
      resource: { kind: 'Pod', name: 'x', apiVersion: 'v1' },
      owner: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' },
      labels: { alertname: 'gateway-self-check' },
      annotations: { summary: 'never stored' },
      startsAt: now,
      receivedAt: now,
      links: { ...links, receiver: 'x', groupKey: 'x' },
      fingerprint,
      payload: {},
    },
    { environment: 'unknown', environmentSource: 'default', priority: 'P3', prioritySource: 'fallback_table' },
    { namespace, generation: 1 },
    [{ fingerprint: '0', startsAt: new Date(now).toISOString() }],
    'self-check',
    { title: 'self-check', spec: { isStorm: true, type: 'rate', window: '1m', threshold: 1 } },
  );
}
