import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually';
import { RunningProcess } from './process';
import { postWebhook, type WebhookAnswer } from './sender';

export interface GatewayProcessOptions {
  /** Address of the API server, which needs no credentials. */
  readonly api: string;
  /** `host:port`; empty: none. */
  readonly redis: string;
  /** Further settings, as in the file. */
  readonly settings?: Readonly<Record<string, object>>;
  /** Of Node.js. */
  readonly flags?: readonly string[];
}

/** The built gateway in cluster mode, in a process of its own, so that it can be killed. It is ready when it is started. */
export class GatewayProcess {
  private constructor(
    readonly url: string,
    readonly metricsUrl: string,
    private readonly process: RunningProcess,
    private readonly directory: string,
  ) {}

  static async start({ api, redis, settings = {}, flags = [] }: GatewayProcessOptions): Promise<GatewayProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'gateway-process-'));
    const kubeconfig = join(directory, 'kubeconfig');
    const cluster = {
      clusters: [{ name: 'c', cluster: { server: api } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'kubernaut-system' } }],
      'current-context': 'x',
    };
    writeFileSync(kubeconfig, JSON.stringify(cluster));
    const config = join(directory, 'gateway.yaml');
    const all = {
      // Most specs are about single signals, however many they send.
      storm_detection: { enabled: false },
      ...settings,
      server: { listen_addr: '127.0.0.1:0', ...settings.server },
      metrics: { listen_addr: '127.0.0.1:0' },
      redis: { addr: redis, ...settings.redis },
      kubernetes: { kubeconfig, ...settings.kubernetes },
    };
    // JSON is YAML.
    writeFileSync(config, JSON.stringify(all));
    const running = await RunningProcess.start('node', [...flags, 'dist/main.js', '--config', config]);
    const [, url = ''] = await running.printed(/gateway listening on (http:\S+)/);
    const [, metricsUrl = ''] = await running.printed(/metrics listening on (http:\S+)/);
    await eventually(async () => {
      const text = await (await fetch(`${url}/ready`)).text();
      if (!text.includes('"status":"ok"')) throw new Error(text);
      if (redis !== '' && !text.includes('"redis":{"status":"up"}')) throw new Error(text);
    });
    return new GatewayProcess(url, metricsUrl, running, directory);
  }

  get ended(): Promise<number | NodeJS.Signals> {
    return this.process.ended;
  }

  /** All that it has logged. */
  get output(): string {
    return this.process.output;
  }

  post(body: object): Promise<WebhookAnswer> {
    return postWebhook(this.url, body);
  }

  /** Posts as Alertmanager does: again and again until it is taken; only a 503 is sent again. */
  async postUntilTaken(body: object, patienceMs = 25_000): Promise<WebhookAnswer> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await this.post(body);
      if (answer.status < 300) return answer;
      if (answer.status !== 503 || performance.now() > until)
        throw new Error(`not taken: ${answer.status} ${JSON.stringify(answer.body)}`);
      await delay(500);
    }
  }

  async kill(): Promise<void> {
    await this.process.stop('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
