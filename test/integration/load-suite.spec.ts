import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunningProcess } from '../support/process';
// The measurements start one.
import '../support/redis-server';

/** Of what posts as fast as it can, counts are judged, not times: the specs beside it go first. Who posts at a rate must keep up with it. */
const priorities: Record<string, string> = { bench: '5' };

interface Posted {
  readonly sent: number;
  readonly statuses: Record<string, number>;
  readonly latency: { readonly p50: number; readonly p95: number; readonly max: number };
}

interface BenchResult {
  readonly scenario: string;
  readonly ratio: number;
  readonly gateway: Record<
    'cpuMicros' | 'allocatedKib' | 'keptKib' | 'mib' | 'scripts' | 'reads' | 'connectionsPerCreate',
    number
  >;
  readonly exact: readonly ({ readonly kind: string } & Record<'wanted' | 'counted' | 'objects' | 'storms', number>)[];
}

interface OpenLoopResult {
  readonly rate: number;
  readonly rounds: readonly [Posted & { objects: number; wanted: number; mib: number[]; periods: { all: number }[] }];
}

interface SoakResult extends Posted {
  readonly exact: Record<'wanted' | 'creates' | 'deleted', number>;
  readonly verdicts: readonly { readonly what: string }[];
  readonly samples: readonly { readonly objects: number }[];
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

  describe('its measurements', () => {
    let directory: string;
    beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), 'load-suite-'))));
    afterAll(() => rmSync(directory, { recursive: true }));

    /** Runs one to its end; `results` is what it wrote as JSON. */
    const measure = async (name: string, ...args: string[]) => {
      const json = join(directory, `${name}.json`);
      const command = ['-n', priorities[name] ?? '0', 'node', `test/load/${name}.mjs`];
      const run = await RunningProcess.start('nice', [...command, ...args, '--json', json]);
      const code = await run.ended;
      const results = existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as unknown) : undefined;
      return { code, output: run.output, results };
    };

    it('count objects and fingerprints of the floor and of the gateway, and print a table', async () => {
      const chosen = ['half', 'growing', 'storm', 'duplicates'];
      const bench = await measure('bench', ...chosen, '--seconds', '0.5', '--warm-up', '0.5', '--rounds', '1');
      expect(bench.output).toContain('| floor / gateway | alerts/s | ratio |');
      // Where it ended before its last row, what it said is shown.
      expect(bench.output).toContain('| duplicates |');
      expect(bench.output).toMatch(/\| goal \| must \| aim \| measured \| met \|\n.*\n\| half: ratio \| ≥ 0.65 \|/);
      const { results } = bench.results as { results: BenchResult[] };
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
      // What belongs to a webhook does not outlive it, although the first ones waited long: 2 %, and 12 % with V8's own guess (src/cli/correct-v8.ts).
      const { allocatedKib, keptKib } = results[3]!.gateway;
      expect(keptKib / allocatedKib).toBeLessThan(0.07);
    }, 240_000);

    it('post at a rate to two gateways that have half a core each, or say that they cannot', async () => {
      const short = ['--rates', '50,100', '--seconds', '1', '--warm-up', '1', '--rounds', '1'];
      const { code, output, results } = await measure('open-loop', ...short);
      if (code === 2) {
        expectNoQuota(output);
        return;
      }
      expect(output).toContain('| webhooks/s | p50 | p95 | p99 |');
      const rows = (results as { results: OpenLoopResult[] }).results;
      expect(rows.map(({ rate }) => rate)).toEqual([50, 100]);
      for (const { rate, rounds } of rows) {
        expect(rounds).toHaveLength(1);
        const [{ sent, statuses, objects, wanted, mib, periods }] = rounds;
        expect(sent).toBe(rate);
        expect(statuses).toEqual({ 201: rate / 2, 202: rate / 2 });
        expect(objects).toBe(wanted);
        for (const gateway of [0, 1]) {
          expect(mib[gateway]).toBeGreaterThan(0);
          expect(periods[gateway]!.all).toBeGreaterThan(0);
        }
      }
    }, 240_000);

    it('tell what alerts cost before a quiet time and after it', async () => {
      const { output, results } = await measure('after-quiet', '--quiet', '1', '--warm-up', '0.5');
      expect(output).toContain('| after 1 s of quiet | before, µs of CPU |');
      const rows = (results as { results: { what: string; before: number; after: number[] }[] }).results;
      expect(rows.map(({ what }) => what)).toEqual(['floor, V8 as it is', 'floor', 'gateway']);
      for (const { before, after } of rows) expect(Math.min(before, ...after)).toBeGreaterThan(0);
    }, 240_000);

    it('keep the number of objects constant while they look for what grows', async () => {
      const { output, results } = await measure('soak', '--minutes', '0.15', '--rate', '100');
      expect(output).toContain('| until, minutes | RSS, MiB | heap, MiB | descriptors | handles | live objects |');
      expect(output).toContain('Too short to be judged.');
      const { sent, statuses, exact, verdicts, samples } = results as SoakResult;
      expect(sent).toBe(900);
      expect(Object.keys(statuses).filter((status) => !['200', '201', '202'].includes(status))).toEqual([]);
      expect(exact.creates).toBe(exact.wanted);
      expect(exact.deleted).toBeGreaterThan(0);
      expect(verdicts.map(({ what }) => what)).toEqual(['rss', 'heap', 'descriptors', 'handles']);
      for (const { objects } of samples) expect(objects).toBeLessThan(exact.wanted);
    }, 240_000);
  });
});

/** Where control groups are not ours to make. */
function expectNoQuota(output: string): void {
  expect(output).toMatch(/^no quota of processors can be set here: .*\n$/);
}
