/** Shown in the API explorer; the end-to-end specs send them. */
export const webhookExamples = {
  firing: {
    summary: 'A critical alert: 201 and a RemediationRequest, 202 when it is sent again',
    value: {
      version: '4',
      groupKey: '{}:{alertname="HighMemoryUsage"}',
      externalURL: 'https://alertmanager.prod.example.com',
      alerts: [
        {
          status: 'firing',
          labels: {
            alertname: 'HighMemoryUsage',
            severity: 'critical',
            namespace: 'prod-payment-service',
            pod: 'payment-api-789',
          },
          annotations: { description: 'Pod using 95% memory', summary: 'Memory usage at 95% for payment-api-789' },
          startsAt: '2025-10-04T10:00:00Z',
        },
      ],
    },
  },
  resolved: {
    summary: 'The same alert is over: 202',
    value: {
      version: '4',
      alerts: [
        {
          status: 'resolved',
          labels: {
            alertname: 'HighMemoryUsage',
            severity: 'critical',
            namespace: 'prod-payment-service',
            pod: 'payment-api-789',
          },
          startsAt: '2025-10-04T10:00:00Z',
          endsAt: '2025-10-04T10:20:00Z',
        },
      ],
    },
  },
  invalid: {
    summary: 'An alert without a name: 400 that says so',
    value: { version: '4', alerts: [{ status: 'firing', labels: { namespace: 'test' } }] },
  },
};
