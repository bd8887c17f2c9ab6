import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MixedTraffic } from '../support/mixed-traffic';
import { Prometheus, type Series } from '../support/prometheus';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const file = join(__dirname, '../../charts/kubernaut-gateway/files/dashboard.json');
const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: Panel[] };
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));
/** `npm run dashboard-picture` has it run for longer, and draws what comes of it. */
const { DASHBOARD_DATA: dataFile, DASHBOARD_SECONDS: seconds = '12' } = process.env;

/** As Grafana fills them in when every gateway is shown. */
const filled = (expr: string) => expr.replaceAll('"$job"', '".+"').replaceAll('$__rate_interval', '6s');

describe('the dashboard, over a real Prometheus that scrapes a gateway under load', () => {
  const lines = new Map<string, Series[]>();
  beforeAll(
    async () => {
      const traffic = await MixedTraffic.start();
      const prometheus = await Prometheus.start(traffic.gateway.metricsUrl);
      try {
        const start = Date.now() / 1_000;
        await traffic.flow(Number(seconds));
        for (const [, expr] of queries)
          lines.set(expr, await prometheus.range(filled(expr), start, Date.now() / 1_000));
      } finally {
        await prometheus.stop();
        await traffic.stop();
      }
      if (dataFile !== undefined) writeFileSync(dataFile, JSON.stringify([...lines]));
    },
    60_000 + Number(seconds) * 1_000,
  );
  const valuesOf = (expr: string) => lines.get(expr)!.flatMap(({ values }) => values.map(([, value]) => Number(value)));

  it('asks for much', () => {
    expect(queries.length).toBeGreaterThan(40);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it.each(queries)('%s: %s', (_, expr) => {
    expect(valuesOf(expr)).toEqual(expect.arrayContaining([expect.any(Number)]));
    expect(valuesOf(expr).some(Number.isFinite)).toBe(true);
  });

  it.each(queries.filter(([, expr]) => expr.includes('rate(')))('moves: %s: %s', (_, expr) => {
    expect(valuesOf(expr).some((value) => value > 0)).toBe(true);
  });

  it('names each line by labels that it has', () => {
    for (const { expr, legendFormat } of panels.flatMap(({ targets = [] }) => targets)) {
      const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
      for (const { metric } of lines.get(expr)!) expect(Object.keys(metric)).toEqual(expect.arrayContaining(labels));
    }
  });
});
