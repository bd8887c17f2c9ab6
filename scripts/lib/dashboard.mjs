/**
 * The Grafana dashboard of the chart, described here and written to files/dashboard.json: what Grafana wants of a panel is
 * much, and the same for all of them. Every query is asked of a Prometheus by test/e2e/dashboard.spec.ts.
 */
export function dashboard() {
  const panels = [];
  let id = 0;
  let y = 0;
  for (const { row, height, of } of rows) {
    panels.push({ id: ++id, type: 'row', title: row, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    for (const panel of of) {
      if (x + panel.width > 24) {
        x = 0;
        y += height;
      }
      panels.push({ id: ++id, ...panel.content, gridPos: { x, y, w: panel.width, h: height } });
      x += panel.width;
    }
    y += height;
  }
  return {
    uid: 'kubernaut-gateway',
    title: 'kubernaut-gateway',
    description: 'Signals that arrive, RemediationRequests that come of them, and what the gateway depends on.',
    tags: ['kubernaut'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    schemaVersion: 39,
    version: 1,
    annotations: { list: [] },
    templating: { list: variables },
    panels,
  };
}

const datasource = { type: 'prometheus', uid: '${datasource}' };

const variables = [
  { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0 },
  {
    name: 'job',
    label: 'Gateway',
    type: 'query',
    datasource,
    query: { query: 'label_values(gateway_build_info, job)', refId: 'job' },
    definition: 'label_values(gateway_build_info, job)',
    refresh: 2,
    sort: 1,
    includeAll: true,
    multi: true,
    allValue: '.+',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    hide: 0,
  },
];

/** A metric of the gateways that were picked, with further matchers. */
function of(metric, matchers = '') {
  return `${metric}{job=~"$job"${matchers && `,${matchers}`}}`;
}

/** How much a counter grows in a second, over all replicas. */
function rate(metric, by = '', matchers = '') {
  return `sum${by && ` by (${by}) `}(rate(${of(metric, matchers)}[$__rate_interval]))`;
}

function perMinute(metric, by = '', matchers = '') {
  return `${rate(metric, by, matchers)} * 60`;
}

function quantile(q, histogram, by = '', matchers = '') {
  return `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, ['le', by].filter(Boolean).join(', '), matchers)})`;
}

const ofPosts = 'method="POST"';
/** Of the signals that arrived, how many an existing request carries. */
const deduplicated = `${rate('gateway_signals_deduplicated_total')} / ${rate('gateway_signals_received_total')}`;
const refused5xx = `(${rate('gateway_http_requests_total', '', `${ofPosts},status=~"5.."`)} or vector(0)) / ${rate('gateway_http_requests_total', '', ofPosts)}`;

const rows = [
  {
    row: 'At a glance',
    height: 4,
    of: [
      stat('Signals a minute', perMinute('gateway_signals_received_total'), { unit: 'short', decimals: 1 }),
      stat('RemediationRequests a minute', perMinute('gateway_remediation_requests_created_total'), {
        unit: 'short',
        decimals: 1,
      }),
      stat('Deduplicated', deduplicated, { unit: 'percentunit', decimals: 0 }),
      stat('Alert to request, p95', quantile(0.95, 'gateway_alert_to_request_seconds'), { unit: 's' }),
      stat('Answer to a webhook, p95', quantile(0.95, 'gateway_http_duration_seconds', '', ofPosts), {
        unit: 's',
        steps: [0.25, 0.5],
      }),
      stat('Webhooks to be sent again (5xx)', refused5xx, { unit: 'percentunit', decimals: 1, steps: [0.001, 0.05] }),
      stat('Replicas', `count(${of('gateway_build_info')})`, { unit: 'short' }),
      stat('Since the last heartbeat', `time() - max(${of('gateway_heartbeat_timestamp_seconds')})`, {
        unit: 's',
        decimals: 0,
        steps: [300, 900],
      }),
    ],
  },
  {
    row: 'Traffic',
    height: 8,
    of: [
      series('Signals by source and severity', 'signals a minute', {
        '{{source}} {{severity}}': perMinute('gateway_signals_received_total', 'source, severity'),
      }),
      series('What came of them', 'signals a minute', {
        'new request': perMinute('gateway_remediation_requests_created_total'),
        'carried by a request that there is': perMinute('gateway_signals_deduplicated_total'),
        'member of a storm': perMinute('gateway_storm_members_total'),
        'refused: {{reason}}': perMinute('gateway_signals_rejected_total', 'reason'),
        'to be sent again: {{reason}}': perMinute('gateway_signals_failed_total', 'reason'),
        'ignored: {{reason}}': perMinute('gateway_signals_ignored_total', 'reason'),
        'left out by the sender': perMinute('gateway_signals_truncated_total'),
      }),
      series('Answers to webhooks', 'answers a second', {
        '{{status}}': rate('gateway_http_requests_total', 'status', ofPosts),
      }),
    ],
  },
  {
    row: 'Latency',
    height: 8,
    of: [
      series(
        'Answer to a webhook',
        's',
        Object.fromEntries(
          [0.5, 0.95, 0.99].map((q) => [`p${q * 100}`, quantile(q, 'gateway_http_duration_seconds', '', ofPosts)]),
        ),
      ),
      series(
        'From the start of an alert to its request',
        's',
        Object.fromEntries([0.5, 0.95].map((q) => [`p${q * 100}`, quantile(q, 'gateway_alert_to_request_seconds')])),
      ),
      series('Stages of processing, p95', 's', {
        '{{stage}}': quantile(0.95, 'gateway_stage_duration_seconds', 'stage'),
      }),
    ],
  },
  {
    row: 'Deduplication and storms',
    height: 8,
    of: [
      series('Deduplicated', 'percentunit', { 'of all signals': deduplicated }),
      series('Storms detected', 'storms a minute', { '{{type}}': perMinute('gateway_storms_detected_total', 'type') }),
      series('Signals that joined a storm', 'signals a minute', {
        '{{type}}': perMinute('gateway_storm_members_total', 'type'),
      }),
    ],
  },
  {
    row: 'Requests, and why they are as they are',
    height: 8,
    of: [
      series('Requests by priority', 'requests a minute', {
        '{{priority}}': perMinute('gateway_remediation_requests_created_total', 'priority'),
      }),
      series('Requests by environment', 'requests a minute', {
        '{{environment}}': perMinute('gateway_remediation_requests_created_total', 'environment'),
      }),
      series('What decided', 'decisions a minute', {
        'environment: {{source}}': perMinute('gateway_environment_source_total', 'source'),
        'priority: {{source}}': perMinute('gateway_priority_source_total', 'source'),
        'policy failed: {{reason}}': perMinute('gateway_policy_failures_total', 'reason'),
        'owner: {{by}}': perMinute('gateway_owner_lookups_total', 'by'),
      }),
    ],
  },
  {
    row: 'Callers',
    height: 8,
    of: [
      series('Authentication', 'requests a second', { '{{result}}': rate('gateway_authentication_total', 'result') }),
      series('Authorization, by namespace', 'decisions a second', {
        '{{result}}': rate('gateway_authorization_total', 'result'),
      }),
      series('Refused by a limit', 'requests a second', {
        '{{kind}}': rate('gateway_rate_limited_total', 'kind'),
        'overload: {{reason}}': rate('gateway_webhooks_shed_total', 'reason'),
      }),
    ],
  },
  {
    row: 'What it depends on',
    height: 8,
    of: [
      series('Connected (1) or not (0), the worst replica', 'short', {
        Redis: `min(${of('gateway_redis_connection_status')})`,
        'watches events (any replica)': `max(${of('gateway_event_watch_active')})`,
        'calls are suspended: {{dependency}}': `max by (dependency) (${of('gateway_circuit_breaker_state')})`,
      }),
      series('Failed calls for a request', 'calls a second', {
        '{{reason}}': rate('gateway_remediation_request_errors_total', 'reason'),
      }),
      series('Silence of watches, the longest', 's', {
        '{{watch}}': `max by (watch) (${of('gateway_watch_silence_seconds')})`,
      }),
    ],
  },
  {
    row: 'Processes',
    height: 8,
    of: [
      series('CPU', 'cores', { '{{instance}}': rate('process_cpu_seconds_total', 'instance') }),
      series('Memory', 'bytes', {
        '{{instance}}': of('process_resident_memory_bytes'),
        '{{instance}} heap': of('nodejs_heap_size_used_bytes'),
      }),
      series('Event loop delay, p99', 's', { '{{instance}}': of('nodejs_eventloop_lag_p99_seconds') }),
      series(
        'Entries of memories',
        'short',
        { '{{cache}}': `max by (cache) (${of('gateway_cache_entries')})` },
        { width: 24 },
      ),
    ],
  },
];

/** A number, green until the first step, red from the second on. */
function stat(title, expr, { unit, decimals, steps = [] }) {
  const colours = ['yellow', 'red'];
  return {
    width: 3,
    content: {
      type: 'stat',
      title,
      datasource,
      targets: [target(expr, title, 0)],
      fieldConfig: {
        defaults: {
          unit,
          ...(decimals === undefined ? {} : { decimals }),
          noValue: '–',
          thresholds: {
            mode: 'absolute',
            steps: [{ color: 'green', value: null }, ...steps.map((value, i) => ({ color: colours[i], value }))],
          },
        },
        overrides: [],
      },
      options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' },
    },
  };
}

/**
 * Lines over time.
 * @param unit Grafana's id of a unit (`s`, `bytes`), or words that stand at the axis
 * @param queries each by how its lines are called
 */
function series(title, unit, queries, { width = 8 } = {}) {
  const known = ['s', 'bytes', 'short', 'percentunit'].includes(unit);
  return {
    width,
    content: {
      type: 'timeseries',
      title,
      datasource,
      targets: Object.entries(queries).map(([legend, expr], i) => target(expr, legend, i)),
      fieldConfig: {
        defaults: {
          unit: known ? unit : 'short',
          min: 0,
          custom: { axisLabel: known ? '' : unit, fillOpacity: 8, showPoints: 'never', spanNulls: false },
        },
        overrides: [],
      },
      options: {
        legend: { displayMode: 'list', placement: 'bottom' },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
    },
  };
}

function target(expr, legendFormat, index) {
  return { refId: String.fromCodePoint(65 + index), datasource, expr, legendFormat, range: true };
}
