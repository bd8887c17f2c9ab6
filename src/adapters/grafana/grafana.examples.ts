const rule = 'https://grafana.example.com/alerting/grafana/eb1g/view?orgId=1';

/** Shown in the API explorer; the end-to-end specs send them. */
export const grafanaExamples = {
  firing: {
    summary: 'A rule that fires: 201 and a RemediationRequest with its links, 202 when it is sent again',
    value: {
      receiver: 'kubernaut-gateway',
      status: 'firing',
      orgId: 1,
      alerts: [
        {
          status: 'firing',
          labels: {
            alertname: 'HighLatency',
            grafana_folder: 'checkout',
            severity: 'warning',
            namespace: 'staging-checkout',
            deployment: 'checkout',
          },
          annotations: { summary: 'p95 of checkout is above a second' },
          startsAt: '2025-10-04T10:00:00Z',
          endsAt: '0001-01-01T00:00:00Z',
          values: { B: 1.21, C: 1 },
          valueString: "[ var='B' labels={} value=1.21 ]",
          generatorURL: rule,
          fingerprint: 'c6eadffa33fcdf37',
          silenceURL: 'https://grafana.example.com/alerting/silence/new?alertmanager=grafana',
          dashboardURL: 'https://grafana.example.com/d/checkout?orgId=1',
          panelURL: 'https://grafana.example.com/d/checkout?orgId=1&viewPanel=2',
          imageURL: '',
        },
      ],
      groupLabels: { alertname: 'HighLatency' },
      commonLabels: { alertname: 'HighLatency' },
      commonAnnotations: {},
      externalURL: 'https://grafana.example.com/',
      version: '1',
      groupKey: '{}:{alertname="HighLatency"}',
      truncatedAlerts: 0,
      title: '[FIRING:1] HighLatency',
      state: 'alerting',
      message: 'p95 of checkout is above a second',
    },
  },
  noData: {
    summary:
      'A rule that cannot be evaluated: a request about monitoring, never about the workload that the rule names',
    value: {
      version: '1',
      alerts: [
        {
          status: 'firing',
          labels: {
            alertname: 'DatasourceNoData',
            rulename: 'HighLatency',
            datasource_uid: 'prometheus',
            ref_id: 'A',
            namespace: 'staging-checkout',
            deployment: 'checkout',
          },
          annotations: {},
          startsAt: '2025-10-04T10:00:00Z',
          endsAt: '0001-01-01T00:00:00Z',
          values: null,
          generatorURL: rule,
        },
      ],
    },
  },
};
