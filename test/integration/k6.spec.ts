import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { k6 } from '../support/k6';
import { sender } from '../support/sender';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const script = 'scripts/load-test-gateway.js';

describe('the load test with k6', () => {
  let gateway: TestGateway;
  let directory: string;
  beforeAll(async () => {
    gateway = await startTestGateway();
    directory = mkdtempSync(join(tmpdir(), 'k6-results-'));
  });
  afterAll(async () => {
    await gateway.close();
    rmSync(directory, { recursive: true });
  });

  /** How fast answers come is not judged here. */
  const run = (...args: string[]) =>
    k6([script, '-e', `TOKEN=${sender.token}`, '-e', `GATEWAY_URL=${gateway.url}`, '--no-thresholds', ...args]);

  it('posts as the command of the original document has it, and counts what became of every alert', async () => {
    const results = join(directory, 'benchmark-results.json');
    const { code, output, metrics } = await run('--vus', '100', '--duration', '3s', '--out', `json=${results}`);
    expect({ code, output }).toMatchObject({ code: 0 });
    const sent = metrics.iterations!.count!;
    // Every caller has posted, and nobody was refused.
    expect(sent).toBeGreaterThanOrEqual(100);
    expect(metrics.checks).toMatchObject({ passes: sent, fails: 0 });
    const created = metrics.signals_created!.count!;
    // Half of them repeat what another caller has posted.
    expect(created).toBe(Math.floor(sent / 2));
    expect(created + metrics.signals_duplicate!.count!).toBe(sent);
    expect(await gateway.requests()).toHaveLength(created);
    expect(readFileSync(results, 'utf8')).toContain('"metric":"signals_created"');
  }, 60_000);

  it('posts at a rate, several alerts at once', async () => {
    const { metrics } = await run('-e', 'RATE=50', '-e', 'DURATION=2s', '-e', 'ALERTS=5');
    const sent = metrics.iterations!.count!;
    expect(metrics.checks).toMatchObject({ passes: sent, fails: 0 });
    expect(metrics.signals_created!.count! + metrics.signals_duplicate!.count!).toBe(5 * sent);
  }, 60_000);
});
