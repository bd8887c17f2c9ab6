import { Counter, Gauge, Histogram } from 'prom-client';
import { GatewayMetrics } from './gateway-metrics';

const preamble = `# Metrics

Served in Prometheus' text format on a listener of its own (\`metrics.listen_addr\`, \`metrics.path\`), with those of the Node.js process
(\`process_*\`, \`nodejs_*\`). Names and labels are part of the contract. A label value comes from a closed set, never from a caller; the first
20 environments keep their name, the others are \`other\`.

This page is generated.
`;

/** The text of `docs/metrics.md`. */
export function metricsReference(): string {
  const rows = Object.values(new GatewayMetrics())
    .filter((member): member is Counter | Gauge | Histogram => isMetric(member))
    .map((metric) => metric as unknown as { name: string; help: string; labelNames: string[]; type: string })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, help, labelNames, type }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
    });
  return `${preamble}\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function isMetric(member: unknown): boolean {
  return member instanceof Counter || member instanceof Gauge || member instanceof Histogram;
}
