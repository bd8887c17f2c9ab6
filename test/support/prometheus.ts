import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './free-port';
import { RunningProcess } from './process';

/** A line: its labels, and its values as pairs of a Unix time and a text. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** A real Prometheus on loopback that scrapes one page every second, in a process of its own. */
export class Prometheus {
  private constructor(
    private readonly running: RunningProcess,
    private readonly directory: string,
    private readonly url: string,
  ) {}

  static async start(metricsUrl: string): Promise<Prometheus> {
    const directory = mkdtempSync(join(tmpdir(), 'prometheus-'));
    const { host, pathname } = new URL(metricsUrl);
    const config = join(directory, 'prometheus.yml');
    const job = { job_name: 'gateway', metrics_path: pathname, static_configs: [{ targets: [host] }] };
    writeFileSync(config, stringify({ global: { scrape_interval: '1s' }, scrape_configs: [job] }));
    const address = `127.0.0.1:${await freePort()}`;
    const running = await RunningProcess.start('prometheus', [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ]);
    await running.printed(/Server is ready to receive web requests/);
    return new Prometheus(running, directory, `http://${address}`);
  }

  /** The lines of a query between two Unix times. Throws what Prometheus has against it. */
  async range(query: string, start: number, end: number, stepSeconds = 1): Promise<Series[]> {
    const parameters = new URLSearchParams({ query, start: `${start}`, end: `${end}`, step: `${stepSeconds}` });
    const response = await fetch(`${this.url}/api/v1/query_range?${parameters.toString()}`);
    const answer = (await response.json()) as { data?: { result: Series[] }; error?: string };
    if (answer.data === undefined) throw new Error(`${query}: ${answer.error ?? response.status}`);
    return answer.data.result;
  }

  async stop(): Promise<void> {
    await this.running.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
