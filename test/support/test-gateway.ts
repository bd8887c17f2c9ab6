import pino, { type Logger } from 'pino';
import { loadConfig } from '../../src/config/load-config';
import { lineContext } from '../../src/http/request-scope';
import type { RemediationRequest } from '../../src/kubernetes/remediation-request';
import { startStandalone, type Standalone } from '../../src/standalone/standalone';

export interface TestGateway extends Standalone {
  readonly url: string;
  readonly metricsUrl: string;
  /** Every line that was logged so far, parsed. */
  readonly logged: Record<string, unknown>[];
  /** Posts a body to a path (default: the Prometheus route) with the good token, unless headers say otherwise. */
  post(body: unknown, options?: { path?: string; headers?: Record<string, string> }): Promise<Answer>;
  /** The RemediationRequests that exist, oldest first. */
  requests(): Promise<RemediationRequest[]>;
  /** Calls the Kubernetes API that the gateway uses. */
  kubernetes<T = unknown>(method: string, path: string, body?: unknown, contentType?: string): Promise<T>;
  /** The value of a metric with these labels, 0 if it was never set. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
  readonly body: any;
}

const token = 'the-good-token';

/** For gateways whose log no spec reads. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** A gateway as `npm run standalone` starts it, on free ports, its objects in memory. Settings as in the file, e.g. `{redis: {addr}}`. */
export async function startTestGateway(settings: Record<string, object> = {}): Promise<TestGateway> {
  const logged: Record<string, unknown>[] = [];
  const logger = pino(
    {
      level: 'trace',
      mixin: () => ({ ...lineContext()?.fields }),
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const config = loadConfig({
    env: {},
    defaults: {
      // Most specs are about single signals, however many they send.
      storm_detection: { enabled: false },
      ...settings,
      server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s', ...settings.server },
      metrics: { listen_addr: '127.0.0.1:0', ...settings.metrics },
      redis: { addr: '', ...settings.redis },
    },
  });
  const standalone = await startStandalone({ config, logger, apiListen: '127.0.0.1:0', token });
  const { url, metricsUrl = '' } = standalone.gateway;

  async function kubernetes<T>(
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<T> {
    const response = await fetch(standalone.apiUrl + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': contentType } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  await untilReady(url);
  return {
    ...standalone,
    url,
    metricsUrl,
    logged,
    kubernetes,
    async post(body, { path = '/api/v1/signals/prometheus', headers = {} } = {}) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
        body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
    },
    async requests() {
      const list = await kubernetes<{ items: RemediationRequest[] }>(
        'GET',
        '/apis/remediation.kubernaut.io/v1/remediationrequests',
      );
      return list.items;
    },
    async metric(name, labels = {}) {
      const text = await (await fetch(metricsUrl)).text();
      const line = text
        .split('\n')
        .find(
          (candidate) =>
            (candidate.startsWith(`${name}{`) || candidate.startsWith(`${name} `)) &&
            Object.entries(labels).every(([key, value]) => candidate.includes(`${key}="${value}"`)),
        );
      return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
    },
  };
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if ((await fetch(`${url}/ready`)).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`not ready after 5 s: ${await (await fetch(`${url}/ready`)).text()}`);
}
