import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunningProcess } from '../support/process';

interface Posted {
  readonly sent: number;
  readonly statuses: Record<string, number>;
  readonly latency: { readonly p50: number; readonly p95: number; readonly max: number };
}

interface Measured {
  readonly cpuMicros: number;
  readonly allocatedKib: number;
  readonly mib: number;
  readonly scripts: number;
  readonly reads: number;
  readonly connectionsPerCreate: number;
}

interface Counted {
  readonly kind: string;
  readonly wanted: number;
  readonly counted: number;
  readonly objects: number;
  readonly storms: number;
}

/** What the benchmark says is only worth as much as its generator and its counts. */
describe('the load suite', () => {
  describe('its generator', () => {
    let server: Server;
    let generator: ChildProcess;
    let stalledUntil = 0;
    const identities = new Set<string>();

    beforeAll(async () => {
      server = createServer((incoming, outgoing) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => {
          for (const { labels } of (JSON.parse(text) as { alerts: { labels: { pod: string } }[] }).alerts)
            identities.add(labels.pod);
          setTimeout(
            () => outgoing.writeHead(201, { 'content-length': '2' }).end('{}'),
            Math.max(0, stalledUntil - performance.now()),
          );
        });
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      generator = fork('test/load/generator.mjs', { execArgv: [] });
      await once(generator, 'message');
    });
    afterAll(() => {
      generator.kill('SIGKILL');
      server.closeAllConnections();
      server.close();
    });

    const post = async (order: object): Promise<Posted> => {
      const urls = [`http://127.0.0.1:${(server.address() as AddressInfo).port}`];
      generator.send({
        urls,
        token: 't',
        scenario: 'new',
        set: 0,
        from: 0,
        connections: 4,
        durationMs: 1000,
        ...order,
      });
      return ((await once(generator, 'message')) as [Posted])[0];
    };

    it('charges a stall to everybody who would have come meanwhile', async () => {
      stalledUntil = performance.now() + 1000;
      const { sent, statuses, latency } = await post({ rate: 200 });
      // As many as were due, although nobody was answered while they were.
      expect(sent).toBe(200);
      expect(statuses).toEqual({ 201: 200 });
      // Who came in the middle of the stall waited for its other half; one after another, four would have waited and no more.
      expect(latency.max).toBeGreaterThan(800);
      expect(latency.p50).toBeGreaterThan(300);
    });

    it('goes on over another connection when one breaks, and says how many did', async () => {
      server.once('request', (incoming) => incoming.socket.destroy());
      const { sent, statuses } = await post({ durationMs: 200 });
      expect(statuses).toEqual({ 201: sent - 1, broken: 1 });
    });

    it('makes as many alerts as the scenario says', async () => {
      identities.clear();
      const { sent } = await post({ scenario: 'new-10', durationMs: 200 });
      expect(identities.size).toBe(10 * sent);
    });
  });

  it('counts objects and fingerprints of the floor and of the gateway, and prints a table', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'load-suite-'));
    const json = join(directory, 'bench.json');
    const chosen = ['half', 'growing', 'storm'];
    const args = ['test/load/bench.mjs', ...chosen, '--seconds', '0.5', '--rounds', '1', '--json', json];
    const bench = await RunningProcess.start('node', args);
    await bench.ended;
    expect(bench.output).toContain('| floor / gateway | alerts/s | ratio |');
    // Where it ended before its last row, what it said is shown.
    expect(bench.output).toContain('| storm |');
    expect(bench.output).toContain(
      '| goal | must | aim | measured | met |\n|---|---|---|---|---|\n| half: ratio | ≥ 0.65 |',
    );
    const { results } = JSON.parse(readFileSync(json, 'utf8')) as {
      results: { scenario: string; ratio: number; gateway: Measured; exact: Counted[] }[];
    };
    expect(results.map(({ scenario }) => scenario)).toEqual(chosen);
    for (const { ratio, gateway, exact } of results) {
      expect(ratio).toBeGreaterThan(0);
      // What the process told of itself, Redis of what it was asked, and the API server of its connections.
      for (const what of ['cpuMicros', 'allocatedKib', 'mib', 'scripts', 'reads'] as const)
        expect(gateway[what]).toBeGreaterThan(0);
      expect(gateway.connectionsPerCreate).toBeGreaterThanOrEqual(0);
      expect(exact.map(({ kind }) => kind)).toEqual(['floor', 'gateway', 'again']);
      for (const { wanted, counted } of exact) expect(counted).toBe(wanted);
    }
    // The floor knows no storms: there each has an object, while members of a storm share one.
    const [floor, gateway] = results[2]!.exact;
    expect(floor).toMatchObject({ storms: 0, objects: floor!.wanted });
    expect(gateway!.storms).toBeGreaterThan(0);
    expect(gateway!.objects).toBeLessThan(gateway!.wanted / 10);
    rmSync(directory, { recursive: true });
  }, 90_000);
});
