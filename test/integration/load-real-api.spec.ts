import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// The measurement starts these.
import '../support/kube-apiserver';
import '../support/redis-server';
import { RunningProcess } from '../support/process';

it('the load suite creates through a real API server, by the gateway and without it, and counts what is there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'load-real-api-'));
  const json = join(directory, 'result.json');
  const short = ['--seconds', '0.5', '--warm-up', '0.5', '--rounds', '1'];
  const run = await RunningProcess.start('nice', [
    '-n',
    '5',
    'node',
    'test/load/real-api.mjs',
    ...short,
    '--json',
    json,
  ]);
  expect({ code: await run.ended, output: run.output }).toMatchObject({ code: 0 });
  expect(run.output).toContain('|  | creates/s | range | CPU µs a create | RSS, MiB |');
  expect(run.output).toContain('| CPU of a create | ≤ 250 µs | ≤ 150 µs |');
  const { figures, exact } = JSON.parse(readFileSync(json, 'utf8')) as {
    figures: Record<'gateway' | 'bare', { perSecond: number; cpuMicros: number }>;
    exact: { wanted: number; objects: number };
  };
  expect(exact.objects).toBe(exact.wanted);
  for (const { perSecond, cpuMicros } of [figures.gateway, figures.bare]) {
    expect(perSecond).toBeGreaterThan(0);
    expect(cpuMicros).toBeGreaterThan(0);
  }
  rmSync(directory, { recursive: true });
}, 180_000);
