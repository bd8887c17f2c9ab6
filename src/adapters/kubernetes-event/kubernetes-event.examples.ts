/** Shown in the API explorer; the end-to-end specs send them. */
export const eventExamples = {
  core: {
    summary: 'A Warning event of v1: 201 and a RemediationRequest, 202 when it happens again',
    value: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'payment-api-789.17d4', namespace: 'prod-payment-service' },
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        namespace: 'prod-payment-service',
        name: 'payment-api-789',
        fieldPath: 'spec.containers{payment-api}',
      },
      reason: 'BackOff',
      message: 'Back-off restarting failed container payment-api in pod payment-api-789',
      type: 'Warning',
      count: 3,
      firstTimestamp: '2025-10-04T10:00:00Z',
      lastTimestamp: '2025-10-04T10:02:10Z',
      source: { component: 'kubelet', host: 'node-3' },
    },
  },
  events: {
    summary: 'A critical one of events.k8s.io/v1, with a series',
    value: {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'payment-worker-0.17d5', namespace: 'prod-payment-service' },
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'prod-payment-service', name: 'payment-worker-0' },
      reason: 'FailedScheduling',
      note: '0/3 nodes are available: 3 Insufficient memory.',
      type: 'Warning',
      eventTime: '2025-10-04T10:00:00.123456Z',
      series: { count: 7, lastObservedTime: '2025-10-04T10:05:00.000000Z' },
      reportingController: 'default-scheduler',
    },
  },
  list: {
    summary: 'What kubectl get events -o json prints: each on its own, the normal ones ignored',
    value: {
      apiVersion: 'v1',
      kind: 'EventList',
      items: [
        {
          involvedObject: { apiVersion: 'v1', kind: 'Node', name: 'node-3' },
          reason: 'NodeNotReady',
          message: 'Node is not ready',
          type: 'Warning',
        },
        {
          involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'prod-payment-service', name: 'payment-api-790' },
          reason: 'Pulled',
          message: 'Container image is already present on the machine',
          type: 'Normal',
        },
      ],
    },
  },
};
