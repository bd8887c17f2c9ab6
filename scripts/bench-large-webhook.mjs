// How long does one large webhook hold up everybody else? Prints, for webhooks of growing size, the time to answer and the longest
// that the event loop stood still meanwhile, in a gateway process of its own (its API server is in another).
//
//   npm run bench:large-webhook
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const sizes = [1, 50, 1_000, 10_000];
const token = 'bench';
const directory = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-bench-'));
const children = [];

async function start(args, env, wanted) {
  const child = spawn(process.execPath, ['dist/main.js', ...args], {
    env: { ...process.env, LOG_LEVEL: 'warn', ...env },
  });
  children.push(child);
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  child.stdout.resume();
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = wanted.map((pattern) => pattern.exec(output)?.[1]);
    if (found.every((value) => value !== undefined)) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`did not start:\n${output}`);
}

const [api] = await start(
  ['standalone', '--listen', '127.0.0.1:0', '--token', token, '--data', join(directory, 'data')],
  {},
  [/kubernetes api listening on (\S+)/],
);
const kubeconfig = join(directory, 'kubeconfig');
writeFileSync(
  kubeconfig,
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'bench',
    clusters: [{ name: 'bench', cluster: { server: api } }],
    users: [{ name: 'bench', user: {} }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
  }),
);
const [url, metrics] = await start(
  [],
  {
    KUBECONFIG: kubeconfig,
    REDIS_ADDR: '',
    GATEWAY_LISTEN_ADDR: '127.0.0.1:0',
    GATEWAY_METRICS__LISTEN_ADDR: '127.0.0.1:0',
    GATEWAY_SERVER__MAX_BODY_BYTES: '33554432',
    GATEWAY_SERVER__SHUTDOWN_DELAY: '0s',
    // Each alert a request of its own.
    GATEWAY_STORM_DETECTION__ENABLED: 'false',
  },
  [/gateway listening on (\S+)/, /metrics listening on (\S+)/],
);
while ((await fetch(`${url}/ready`)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 25));

const webhook = (size) =>
  JSON.stringify({
    version: '4',
    alerts: Array.from({ length: size }, (_, i) => ({
      status: 'firing',
      labels: {
        alertname: `Bench${size}`,
        namespace: 'test',
        pod: `pod-${i}`,
        severity: 'warning',
        job: 'bench',
        instance: `10.0.0.1:${i}`,
      },
      annotations: { summary: 'an alert of a common size', description: 'with two annotations and six labels' },
      startsAt: '2026-01-01T00:00:00Z',
      generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
    })),
  });

// The gauge holds the longest delay since the last scrape.
async function longestDelayMs() {
  const text = await (await fetch(metrics)).text();
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]) * 1000;
}

async function post(body) {
  await longestDelayMs();
  const begin = performance.now();
  const response = await fetch(`${url}/api/v1/signals/prometheus`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body,
  });
  const { summary, status } = await response.json();
  const time = performance.now() - begin;
  return { code: response.status, summary: summary ?? { [status]: 1 }, time, delay: await longestDelayMs() };
}

console.log('alerts | sent    | status | created | duplicate | failed | answered in | longest event-loop delay');
try {
  for (const size of sizes) {
    const body = webhook(size);
    // A webhook that does not end within its deadline goes on where it was when it is sent again, as Alertmanager does.
    for (const round of ['new', 'again', 'again']) {
      const { code, summary, time, delay } = await post(body);
      const { created = 0, duplicate = 0, failed = 0 } = summary;
      const cells = [
        String(size).padStart(6),
        round.padEnd(7),
        String(code).padStart(6),
        String(created).padStart(7),
        String(duplicate).padStart(9),
      ];
      console.log(
        [...cells, String(failed).padStart(6), `${time.toFixed(0)} ms`.padStart(11), `${delay.toFixed(1)} ms`].join(
          ' | ',
        ),
      );
    }
  }
} finally {
  for (const child of children.reverse()) child.kill('SIGTERM');
  rmSync(directory, { recursive: true, force: true });
}
