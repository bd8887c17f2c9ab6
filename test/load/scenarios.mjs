// What is posted in a measurement: webhooks as Alertmanager sends them, numbered from 0, and what must be there afterwards.

const startsAt = '2026-01-01T00:00:00Z';

/**
 * One alert of a common size. Its number alone decides its identity; every alert has a name of its own, so that none is a member
 * of a storm.
 */
export function alert(set, number, status = 'firing') {
  const pod = `payment-api-7f9c${number.toString(36)}-x2x7q`;
  return {
    status,
    labels: {
      alertname: `Load${set}${number}`,
      namespace: 'shop',
      pod,
      container: 'app',
      severity: number % 3 === 0 ? 'critical' : 'warning',
      job: 'kube-state-metrics',
      instance: '10.0.12.7:8080',
      prometheus: 'monitoring/k8s',
    },
    annotations: {
      summary: 'Pod is restarting again and again',
      description: `Pod shop/${pod} (app) has restarted 7 times in the last 10 minutes`,
      runbook_url: 'https://runbooks.example.com/kubernetes/pod-restarts',
    },
    startsAt,
    endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : '2026-01-01T00:10:00Z',
    generatorURL:
      'http://prometheus.monitoring:9090/graph?g0.expr=increase%28kube_pod_container_status_restarts_total%5B10m%5D%29&g0.tab=1',
    fingerprint: number.toString(16).padStart(16, '0'),
  };
}

export function webhook(alerts) {
  return JSON.stringify({
    receiver: 'kubernaut',
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    alerts,
    groupLabels: { namespace: 'shop' },
    commonLabels: { namespace: 'shop' },
    commonAnnotations: {},
    externalURL: 'http://alertmanager.monitoring:9093',
    version: '4',
    groupKey: '{}:{namespace="shop"}',
    truncatedAlerts: 0,
  });
}

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
/** Alerts that are known before the measurement begins. */
const known = 2_000;
/** How far behind a duplicate is: what it repeats has been answered long before. */
const behind = 2_000;

/** Every webhook carries `size` alerts that were never seen. */
const unique = (size) => ({
  alerts: size,
  body: (set, i) => webhook(range(i * size, (i + 1) * size).map((n) => alert(set, n))),
  distinct: (sent) => sent * size,
});
/** Every webhook carries `size` alerts that are known. */
const duplicates = (size) => ({
  alerts: size,
  prepare: known,
  body: (set, i) => webhook(range(i * size, (i + 1) * size).map((n) => alert(set, n % known))),
  distinct: () => known,
});

/**
 * `alerts`: of a webhook, on average; `prepare`: how many are known beforehand (numbers 0 to `prepare`); `body`: the webhook with a number;
 * `distinct`: how many fingerprints that many webhooks carry, those known beforehand among them.
 */
export const scenarios = {
  new: unique(1),
  half: {
    alerts: 1,
    prepare: known,
    body: (set, i) => webhook([alert(set, i % 2 === 0 ? known + i / 2 : (i - 1) / 2 + known - behind)]),
    distinct: (sent) => known + Math.ceil(sent / 2),
  },
  duplicates: duplicates(1),
  'new-10': unique(10),
  'duplicates-10': duplicates(10),
  'new-50': unique(50),
  'duplicates-50': duplicates(50),
  'new-100': unique(100),
  'duplicates-100': duplicates(100),
  'new-1000': unique(1000),
  'duplicates-1000': duplicates(1000),
  // Groups that are sent again each time an alert joins them, up to 20 of them; 64 groups grow side by side.
  growing: {
    alerts: 10.5,
    body: (set, i) => {
      const group = (i % 64) + 64 * Math.floor(i / 1280);
      const joined = (Math.floor(i / 64) % 20) + 1;
      return webhook(range(20 * group, 20 * group + joined).map((n) => alert(set, n)));
    },
    distinct: (sent) => sent,
  },
  // What is known resolves and fires again, by turns.
  resolved: {
    alerts: 1,
    prepare: known,
    body: (set, i) => webhook([alert(set, i % known, Math.floor(i / known) % 2 === 0 ? 'resolved' : 'firing')]),
    distinct: () => known,
  },
};
