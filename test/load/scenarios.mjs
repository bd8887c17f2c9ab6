// What is posted in a measurement: webhooks as Alertmanager sends them, numbered from 0, and what must be there afterwards.

/** One alert of a common size, written once: what stands in braces is filled in, for to write each anew costs more than to send it. */
const common = template({
  status: '{status}',
  labels: {
    alertname: '{alertname}',
    namespace: 'shop',
    pod: '{pod}',
    container: 'app',
    severity: '{severity}',
    job: 'kube-state-metrics',
    instance: '10.0.12.7:8080',
    prometheus: 'monitoring/k8s',
  },
  annotations: {
    summary: 'Pod is restarting again and again',
    description: 'Pod shop/{pod} (app) has restarted 7 times in the last 10 minutes',
    runbook_url: 'https://runbooks.example.com/kubernetes/pod-restarts',
  },
  startsAt: '2026-01-01T00:00:00Z',
  endsAt: '{endsAt}',
  generatorURL:
    'http://prometheus.monitoring:9090/graph?g0.expr=increase%28kube_pod_container_status_restarts_total%5B10m%5D%29&g0.tab=1',
  fingerprint: '{fingerprint}',
});
const [before, after] = JSON.stringify({
  receiver: 'kubernaut',
  groupLabels: { namespace: 'shop' },
  commonLabels: { namespace: 'shop' },
  commonAnnotations: {},
  externalURL: 'http://alertmanager.monitoring:9093',
  version: '4',
  groupKey: '{}:{namespace="shop"}',
  truncatedAlerts: 0,
  alerts: [],
})
  .slice(1)
  .split('[]');

/** The text of it around what stands in braces: text, name, text, name, … text. */
function template(object) {
  return JSON.stringify(object).split(/\{([a-z]\w+)\}/i);
}

/** Its number alone decides the identity of an alert; with a name of its own none is a member of a storm. */
export function alert(set, number, { status = 'firing', alertname = `Load${set}x${number}` } = {}) {
  const values = {
    status,
    alertname,
    pod: `payment-api-7f9c${number.toString(36)}-x2x7q`,
    severity: number % 3 === 0 ? 'critical' : 'warning',
    endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : '2026-01-01T00:10:00Z',
    fingerprint: number.toString(16).padStart(16, '0'),
  };
  let text = common[0];
  for (let i = 1; i < common.length; i += 2) text += values[common[i]] + common[i + 1];
  return text;
}

export function webhook(alerts, status = 'firing') {
  return `{"status":"${status}",${before}[${alerts.join()}]${after}`;
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

/** One new alert and one that is known, by turns in this and in that order: of two receivers that take turns, each gets as many of both. */
const half = {
  alerts: 1,
  prepare: known,
  body(set, i) {
    const pair = Math.floor(i / 2);
    const isNew = i % 2 === pair % 2;
    // What it repeats was sent to the other receiver as often as to this one.
    return webhook([alert(set, isNew ? known + pair : pair + known - behind + (Math.floor(pair / 2) % 2))]);
  },
  distinct: (sent) => known + Math.floor(sent / 2) + (sent % 4 === 1 ? 1 : 0),
};

/** Pods of one alert in webhooks of 50, as many as make a storm of `pods`. */
const storm = {
  alerts: 50,
  connections: 16,
  pods: 500,
  body(set, i) {
    const alertname = `Storm${set}x${Math.floor((i * 50) / this.pods)}`;
    return webhook(range(i * 50, i * 50 + 50).map((n) => alert(set, n, { alertname })));
  },
  distinct: (sent) => 50 * sent,
};

/** Of 20 webhooks: one of 50 alerts, 5 of them new; 8 with one that is new; 9 with one that is known; 2 that resolve one. */
const mixed = {
  alerts: 69 / 20,
  body(set, i) {
    const [block, k] = [Math.floor(i / 20), i % 20];
    const ofBlock = (back, nth) => Math.max(0, block - back) * 13 + nth;
    if (k === 0)
      return webhook(range(0, 50).map((n) => alert(set, n < 5 ? ofBlock(0, n) : ofBlock(3 + (n % 4), n % 13))));
    if (k <= 8) return webhook([alert(set, ofBlock(0, 4 + k))]);
    if (k <= 17) return webhook([alert(set, ofBlock(3, k - 9))]);
    return webhook([alert(set, ofBlock(10, k - 18), { status: 'resolved' })], 'resolved');
  },
  /** Exact from the first 20 on: what those repeat is among them. */
  distinct: (sent) => Math.floor(sent / 20) * 13 + (sent % 20 === 0 ? 0 : 4 + Math.min(9, sent % 20)),
};

/**
 * `alerts`: of a webhook, on average; `prepare`: how many are known beforehand (numbers 0 to `prepare`); `body`: the webhook with a
 * number; `distinct`: how many fingerprints that many webhooks carry, those known beforehand among them; `connections`: in place of the
 * common number.
 */
export const scenarios = {
  new: unique(1),
  half,
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
    body: (set, i) => {
      const status = Math.floor(i / known) % 2 === 0 ? 'resolved' : 'firing';
      return webhook([alert(set, i % known, { status })], status);
    },
    distinct: () => known,
  },
  storm,
  mixed,
};
