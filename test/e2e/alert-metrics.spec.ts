import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const file = join(__dirname, '../../charts/kubernaut-gateway/files/alerts.yaml');

describe('a running gateway', () => {
  let gateway: TestGateway;
  beforeAll(async () => (gateway = await startTestGateway()));
  afterAll(() => gateway.close());

  it('serves every metric that an alert asks for, with the labels that it asks by', async () => {
    const text = await (await fetch(gateway.metricsUrl)).text();
    const reference = readFileSync(join(__dirname, '../../docs/metrics.md'), 'utf8');
    const { groups } = parse(readFileSync(file, 'utf8')) as { groups: { rules: { expr: string }[] }[] };
    const expressions = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    const selectors = expressions.flatMap((expr) => [
      ...expr.matchAll(/(gateway_\w+?)(?:_bucket)?\b(?:\{([^}]*)\})?/g),
    ]);
    expect(selectors.length).toBeGreaterThanOrEqual(expressions.length);
    for (const [, name = '', matchers = ''] of selectors) {
      expect(text).toContain(`# TYPE ${name} `);
      const row = reference.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
      for (const [, label = ''] of matchers.matchAll(/(\w+)(?:=~|!=|=)/g)) expect(row).toContain(`\`${label}\``);
    }
  });

  it('shows the memory of waiting writes and the watches by the names that alerts ask by', async () => {
    const text = await (await fetch(gateway.metricsUrl)).text();
    expect(text).toContain('gateway_cache_entries{cache="writes_waiting"} 0');
    expect(text).toMatch(/gateway_watch_silence_seconds\{watch="namespaces"\} \d/);
  });
});
