import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

/** The examples of the original document, sent as they are printed there. */
describe("the original document's examples", () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());

  const alert = {
    status: 'firing',
    labels: {
      alertname: 'HighMemoryUsage',
      severity: 'critical',
      namespace: 'prod-payment-service',
      pod: 'payment-api-789',
    },
    annotations: { description: 'Pod using 95% memory', summary: 'Memory usage at 95% for payment-api-789' },
    startsAt: '2025-10-04T10:00:00Z',
  };
  const webhook = {
    version: '4',
    groupKey: '{}:{alertname="HighMemoryUsage"}',
    externalURL: 'https://alertmanager.prod.example.com',
    alerts: [alert],
  };

  it('1: a new alert is answered 201 and becomes a RemediationRequest', async () => {
    const { status, body } = await gateway.post(webhook);

    expect(status).toBe(201);
    expect(body).toMatchObject({
      status: 'created',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      remediation_request_name: expect.stringMatching(/^remediation-highmemoryusage-[0-9a-f]{6}$/),
      namespace: 'prod-payment-service',
      environment: 'production',
      priority: 'P1',
      duplicate: false,
      storm_aggregation: false,
      processing_time_ms: expect.any(Number),
    });

    const request = await gateway.kubernetes<RemediationRequest>(
      'GET',
      `/apis/remediation.kubernaut.io/v1/namespaces/prod-payment-service/remediationrequests/${body.remediation_request_name as string}`,
    );
    expect(request).toMatchObject({
      apiVersion: 'remediation.kubernaut.io/v1',
      kind: 'RemediationRequest',
      metadata: {
        namespace: 'prod-payment-service',
        labels: {
          'kubernaut.io/environment': 'production',
          'kubernaut.io/priority': 'P1',
          'kubernaut.io/source': 'prometheus',
          'kubernaut.io/severity': 'critical',
          'kubernaut.io/fingerprint': body.fingerprint.slice(0, 63),
          'app.kubernetes.io/managed-by': 'kubernaut-gateway',
        },
      },
      spec: {
        alertName: 'HighMemoryUsage',
        severity: 'critical',
        priority: 'P1',
        environment: 'production',
        resource: { kind: 'Pod', name: 'payment-api-789', namespace: 'prod-payment-service' },
        fingerprint: body.fingerprint,
        metadata: { source: 'prometheus', alertManager: 'https://alertmanager.prod.example.com' },
        firingTime: '2025-10-04T10:00:00Z',
        generation: 1,
        labels: alert.labels,
        annotations: alert.annotations,
        environmentSource: 'namespace_label',
        prioritySource: 'rego_policy',
      },
    });
    expect(JSON.parse(request.spec.originalPayload)).toEqual(alert);
  });

  it('2: the same alert again is answered 202 and points to the same request', async () => {
    const [request] = await gateway.requests();
    const { status, body } = await gateway.post(webhook);

    expect(status).toBe(202);
    expect(body).toMatchObject({
      status: 'duplicate',
      fingerprint: request!.spec.fingerprint,
      duplicate: true,
      metadata: {
        count: 2,
        first_seen: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        last_seen: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        remediation_request_ref: request!.metadata.name,
      },
      processing_time_ms: expect.any(Number),
    });
    expect(await gateway.requests()).toHaveLength(1);
  });

  it('3: an alert without a name is answered 400 and says so', async () => {
    const invalid = { version: '4', alerts: [{ status: 'firing', labels: { namespace: 'test' } }] };
    const { status, headers, body } = await gateway.post(invalid);

    expect(status).toBe(400);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toEqual({
      type: 'https://kubernaut.io/problems/validation-error',
      title: 'Bad Request',
      status: 400,
      detail: "Signal validation failed: missing required field 'alertname'",
      error: "Signal validation failed: missing required field 'alertname'",
      details: { validation_errors: ['alertname is required'] },
      request_id: headers.get('x-request-id'),
      processing_time_ms: expect.any(Number),
    });
  });

  it('3, without a token as it is printed there: 401', async () => {
    const response = await fetch(`${gateway.url}/api/v1/signals/prometheus`, { method: 'POST', body: '{}' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ type: 'https://kubernaut.io/problems/unauthenticated', status: 401 });
  });
});
