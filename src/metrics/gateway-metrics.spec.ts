import { register } from 'prom-client';
import { GatewayMetrics } from './gateway-metrics';
import { metricsReference } from './metrics-reference';

/** Names and labels of the contract, section 11, as far as this version has them. */
const contract: Record<string, string[]> = {
  gateway_http_requests_total: ['method', 'route', 'status'],
  gateway_http_errors_total: ['route', 'status'],
  gateway_http_duration_seconds: ['method', 'route'],
  gateway_signals_received_total: ['source', 'severity', 'environment'],
  gateway_signals_deduplicated_total: ['source'],
  gateway_storms_detected_total: ['type'],
  gateway_redis_connection_status: [],
  gateway_remediation_requests_created_total: ['environment', 'priority'],
  gateway_remediation_request_errors_total: ['reason'],
  gateway_signals_rejected_total: ['source', 'reason'],
  gateway_stage_duration_seconds: ['stage'],
  gateway_authentication_total: ['result'],
  gateway_rate_limited_total: ['kind'],
  gateway_priority_source_total: ['source'],
  gateway_environment_source_total: ['source'],
  gateway_heartbeat_timestamp_seconds: ['source'],
  gateway_alert_to_request_seconds: [],
  gateway_build_info: ['version', 'node'],
};

describe('metrics', () => {
  it.each(Object.entries(contract))('%s has the labels of the contract', (name, labels) => {
    const metric = Object.values(new GatewayMetrics()).find((member) => (member as { name?: string }).name === name);
    expect((metric as { labelNames: string[] }).labelNames).toEqual(labels);
  });

  it('has a row for every metric in its reference', () => {
    const names = Object.values(new GatewayMetrics()).flatMap((member) => (member as { name?: string }).name ?? []);
    for (const name of names) expect(metricsReference()).toContain(`| \`${name}\` |`);
    expect(names.length).toBeGreaterThan(Object.keys(contract).length);
  });

  it('measures answers with the buckets of the contract', async () => {
    new GatewayMetrics().httpDuration.observe({ method: 'GET', route: '/spec' }, 0.001);
    const exposition = await register.getSingleMetricAsString('gateway_http_duration_seconds');
    for (const bound of ['0.005', '0.01', '0.02', '0.05', '0.1', '0.5', '1', '5']) {
      expect(exposition).toContain(`gateway_http_duration_seconds_bucket{le="${bound}",method="GET",route="/spec"}`);
    }
  });

  it('reads sizes and silences when it is scraped', async () => {
    const metrics = new GatewayMetrics();
    const memory = new Set<string>();
    metrics.countEntries({ memory: () => memory.size });
    metrics.timeSilence({ namespaces: () => 1.5 });
    memory.add('a').add('b');
    expect(await register.getSingleMetricAsString('gateway_cache_entries')).toContain('{cache="memory"} 2');
    expect(await register.getSingleMetricAsString('gateway_watch_silence_seconds')).toContain(
      '{watch="namespaces"} 1.5',
    );
  });

  it('shares the metrics of the process with a second gateway in it', () => {
    expect(new GatewayMetrics().httpRequests).toBe(new GatewayMetrics().httpRequests);
  });

  it('keeps the names of 20 environments, and calls the others other', () => {
    const metrics = new GatewayMetrics();
    const labels = Array.from({ length: 25 }, (_, i) => metrics.environmentLabel(`environment-${i}`));
    expect(labels.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => `environment-${i}`));
    expect(new Set(labels.slice(20))).toEqual(new Set(['other']));
    expect(metrics.environmentLabel('environment-0')).toBe('environment-0');
  });
});
