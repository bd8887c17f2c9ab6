import type { RemediationRequest } from '../../src/kubernetes/remediation-request';

/** Who posts: a token that the standalone API server is to know, of an account that may send. */
export const sender = { token: 'the-good-token', username: 'system:serviceaccount:monitoring:alertmanager' };

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
  readonly body: any;
}

/** Posts a webhook to a gateway: one of Alertmanager, unless another path is given. */
export async function postWebhook(
  url: string,
  body: object,
  token = sender.token,
  path = '/api/v1/signals/prometheus',
): Promise<WebhookAnswer> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The requests of an alert name at a standalone API server. */
export async function requestsNamed(apiUrl: string, alertname: string): Promise<RemediationRequest[]> {
  const response = await fetch(`${apiUrl}/apis/remediation.kubernaut.io/v1/remediationrequests`);
  const { items } = (await response.json()) as { items: RemediationRequest[] };
  return items.filter(({ spec }) => spec.alertName === alertname);
}
