import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './free-port';
import { RunningProcess } from './process';

export interface AlertmanagerOptions {
  /** Where it posts its webhooks. */
  readonly webhookUrl: string;
  /** The bearer token it sends; without one it sends none. */
  readonly token?: string;
  /** Labels that make a group; default: every alert is a group of its own. */
  readonly groupBy?: readonly string[];
  /** Durations as Alertmanager writes them, e.g. `1s`; short defaults, so that a spec need not wait. */
  readonly groupWait?: string;
  readonly groupInterval?: string;
  readonly repeatInterval?: string;
  readonly sendResolved?: boolean;
  /** How many alerts of a group a webhook holds at most; 0, the default, is all of them. */
  readonly maxAlerts?: number;
}

/** An alert as Prometheus would push it. */
export interface PushedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339; default: now. */
  readonly startsAt?: string;
  readonly generatorURL?: string;
}

/** How the webhooks went, as Alertmanager itself counts them. */
export interface Notifications {
  /** Attempts. */
  readonly total: number;
  /** Attempts that failed; a refusal that is not tried again counts as well. */
  readonly failed: number;
}

/** A real Alertmanager on loopback with one webhook receiver, in a process of its own. */
export class Alertmanager {
  private constructor(
    private readonly running: RunningProcess,
    private readonly directory: string,
    readonly url: string,
  ) {}

  static async start(options: AlertmanagerOptions): Promise<Alertmanager> {
    return Alertmanager.with(async (directory) => stringify(await configuration(options, directory)));
  }

  /** @param configure makes its configuration; files that go with it may be written to the directory */
  static async with(configure: (directory: string) => Promise<string>): Promise<Alertmanager> {
    const directory = await mkdtemp(join(tmpdir(), 'alertmanager-'));
    try {
      const config = join(directory, 'alertmanager.yml');
      await writeFile(config, await configure(directory));
      const address = `127.0.0.1:${await freePort()}`;
      const running = await run([
        `--config.file=${config}`,
        `--storage.path=${join(directory, 'data')}`,
        `--web.listen-address=${address}`,
        '--cluster.listen-address=',
        '--log.level=debug',
      ]);
      await running.printed(/Listening on/);
      return new Alertmanager(running, directory, `http://${address}`);
    } catch (error) {
      await rm(directory, { recursive: true });
      throw error;
    }
  }

  /** All that it has logged so far, with each attempt to notify. */
  get log(): string {
    return this.running.output;
  }

  /** Says that these alerts fire. Prometheus says so again and again; one that is not repeated resolves after 5 minutes. */
  async push(alerts: readonly PushedAlert[]): Promise<void> {
    await this.post(alerts);
  }

  /** Says that these alerts, known by their labels, have ended now. */
  async resolve(alerts: readonly PushedAlert[]): Promise<void> {
    const endsAt = new Date().toISOString();
    await this.post(alerts.map((alert) => ({ ...alert, endsAt })));
  }

  async notifications(): Promise<Notifications> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return {
      total: sumOf(text, 'alertmanager_notifications_total'),
      failed: sumOf(text, 'alertmanager_notifications_failed_total'),
    };
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  private async post(alerts: readonly object[]): Promise<void> {
    const response = await fetch(`${this.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alerts),
    });
    if (!response.ok) throw new Error(`Alertmanager refused the alerts: ${response.status} ${await response.text()}`);
  }
}

async function configuration(options: AlertmanagerOptions, directory: string): Promise<object> {
  const {
    webhookUrl,
    token,
    groupBy = ['...'],
    groupWait = '0s',
    groupInterval = '1s',
    repeatInterval = '1h',
  } = options;
  const credentials = join(directory, 'token');
  if (token !== undefined) await writeFile(credentials, token, { mode: 0o600 });
  return {
    route: {
      receiver: 'webhook',
      group_by: groupBy,
      group_wait: groupWait,
      group_interval: groupInterval,
      repeat_interval: repeatInterval,
    },
    receivers: [
      {
        name: 'webhook',
        webhook_configs: [
          {
            url: webhookUrl,
            send_resolved: options.sendResolved ?? true,
            max_alerts: options.maxAlerts ?? 0,
            ...(token === undefined ? {} : { http_config: { authorization: { credentials_file: credentials } } }),
          },
        ],
      },
    ],
  };
}

/** Debian gives the program its own name. */
async function run(args: readonly string[]): Promise<RunningProcess> {
  try {
    return await RunningProcess.start('prometheus-alertmanager', args);
  } catch {
    return RunningProcess.start('alertmanager', args);
  }
}

/** The sum of a counter over the labels it comes with for webhooks: newer versions split it by reason. */
function sumOf(text: string, metric: string): number {
  const samples = text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) && line.includes('integration="webhook"'));
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
