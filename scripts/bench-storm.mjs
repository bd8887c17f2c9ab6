// What does a storm of 10,000 alerts cost? Prints objects, writes to the API server, exactness of the counts, how long posts wait for their
// answers, and how the gateway's event loop and memory fare. Gateway, API server and Redis are processes of their own.
//
//   npm run bench:storm
//   npm run bench:storm -- alertmanager      as the groups of a real Alertmanager
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { URL } from 'node:url';
import { freePort } from '../test/load/processes.mjs';

const alerts = 10_000;
const alertsPerPost = 10;
const postsAtOnce = 20;
const token = 'bench';
const byAlertmanager = process.argv.includes('alertmanager');
const directory = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-bench-'));
const children = [];

async function start(command, args, env, wanted) {
  const child = spawn(command, args, { env: { ...process.env, LOG_LEVEL: 'warn', ...env } });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (output = (output + chunk).slice(-65_536)));
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = wanted.map((pattern) => pattern.exec(output)?.[1]);
    if (found.every((value) => value !== undefined)) return found;
    await pause(25);
  }
  throw new Error(`did not start:\n${output}`);
}
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const gateway = (args, env, wanted) => start(process.execPath, ['dist/main.js', ...args], env, wanted);

/** Counts what is written to the API server on its way through. */
async function countingProxy(target) {
  const writes = { creates: 0, patches: 0, others: 0 };
  const server = createServer((incoming, outgoing) => {
    if (incoming.url.includes('remediationrequests') && !incoming.url.includes('dryRun')) {
      if (incoming.method === 'POST') writes.creates++;
      if (incoming.method === 'PATCH') writes.patches++;
    } else if (incoming.method !== 'GET') writes.others++;
    const url = new URL(incoming.url, target);
    const passed = forward(url, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    writes,
    close: () => server.closeAllConnections() || server.close(),
  };
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const labels = (i) => ({
  alertname: 'PodCrashLooping',
  namespace: 'test',
  pod: `payment-api-7f9c${i}-x2x${i}`,
  container: 'app',
  severity: 'critical',
});

let proxy;
try {
  const redisPort = await freePort();
  const redisArgs = ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  await start('redis-server', redisArgs, {}, [/(Ready to accept connections)/]);
  const [api] = await gateway(
    ['standalone', '--listen', '127.0.0.1:0', '--token', token, '--data', join(directory, 'data')],
    {},
    [/kubernetes api listening on (\S+)/],
  );
  proxy = await countingProxy(api);
  const kubeconfig = join(directory, 'kubeconfig');
  const cluster = { name: 'bench', cluster: { server: proxy.url } };
  const context = { name: 'bench', context: { cluster: 'bench', user: 'bench' } };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'bench',
      clusters: [cluster],
      users: [{ name: 'bench', user: {} }],
      contexts: [context],
    }),
  );
  const [url, metrics] = await gateway(
    [],
    {
      KUBECONFIG: kubeconfig,
      REDIS_ADDR: `127.0.0.1:${redisPort}`,
      GATEWAY_LISTEN_ADDR: '127.0.0.1:0',
      GATEWAY_METRICS__LISTEN_ADDR: '127.0.0.1:0',
      GATEWAY_SERVER__SHUTDOWN_DELAY: '0s',
      GATEWAY_RATE_LIMIT__AUTHENTICATED_REQUESTS_PER_MINUTE: '1000000',
      GATEWAY_SERVER__MAX_BODY_BYTES: '33554432',
    },
    [/gateway listening on (\S+)/, /metrics listening on (\S+)/],
  );
  while (!(await (await fetch(`${url}/ready`)).text()).includes('"redis":{"status":"up"}')) await pause(25);
  const metric = async (pattern) => Number(pattern.exec(await (await fetch(metrics)).text())?.[1]);
  await metric(/^nodejs_eventloop_lag_max_seconds (\S+)/m);
  const before = await metric(/^process_resident_memory_bytes (\S+)/m);
  const begin = performance.now();
  const times = byAlertmanager ? await throughAlertmanager(url, api) : await directly(url);
  const seconds = (performance.now() - begin) / 1000;
  // The gauge holds the longest delay since the last scrape.
  const scraped = await (await fetch(metrics)).text();
  const delay = Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(scraped)?.[1]);
  const sorted = times ?? timesOf(scraped);
  const after = await metric(/^process_resident_memory_bytes (\S+)/m);

  const { storm, requests } = await stand(api);
  const ordinary = requests.length - 1;
  const rows = [
    [
      'alerts',
      `${alerts}, ${byAlertmanager ? 'groups of a real Alertmanager' : `${alertsPerPost} a post, ${postsAtOnce} posts at once`}, in ${seconds.toFixed(1)} s`,
    ],
    ['objects created', requests.length],
    ['writes to the API server', `${proxy.writes.creates} creates, ${proxy.writes.patches} status patches`],
    ['counted', `${storm.alertCount} in the storm and ${ordinary} before it, of ${alerts}`],
    ['affected resources', `${storm.totalAffectedResources} counted, ${storm.affectedResources.length} listed`],
    [
      'answers p50 / p95 / p99',
      [0.5, 0.95, 0.99].map((share) => `${percentile(sorted, share).toFixed(0)} ms`).join(' / '),
    ],
    ['longest event-loop delay', `${(delay * 1000).toFixed(0)} ms`],
    ['resident memory', `${(before / 2 ** 20).toFixed(0)} MiB before, ${(after / 2 ** 20).toFixed(0)} MiB after`],
  ];
  for (const [what, value] of rows) console.log(`| ${what} | ${value} |`);
} finally {
  proxy?.close();
  for (const child of children.reverse()) child.kill('SIGTERM');
  await pause(500);
  rmSync(directory, { recursive: true, force: true });
}

async function directly(url) {
  const bodies = Array.from({ length: alerts / alertsPerPost }, (_, post) =>
    JSON.stringify({
      version: '4',
      alerts: Array.from({ length: alertsPerPost }, (__, i) => ({
        status: 'firing',
        labels: labels(post * alertsPerPost + i),
        annotations: { summary: 'an alert of a common size' },
        startsAt: '2026-01-01T00:00:00Z',
      })),
    }),
  );
  const times = [];
  const work = async () => {
    for (let body = bodies.shift(); body !== undefined; body = bodies.shift()) {
      for (;;) {
        const sent = performance.now();
        const response = await fetch(`${url}/api/v1/signals/prometheus`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body,
        });
        await response.arrayBuffer();
        times.push(performance.now() - sent);
        if (response.status < 300) break;
        if (response.status !== 503) throw new Error(`answered ${response.status}`);
        await pause(200);
      }
    }
  };
  await Promise.all(Array.from({ length: postsAtOnce }, work));
  return times.sort((a, b) => a - b);
}

/** Each alert is a group of its own, so Alertmanager posts as often. The times are the gateway's own, by its histogram. */
async function throughAlertmanager(url, api) {
  const config = join(directory, 'alertmanager.yml');
  writeFileSync(
    config,
    `route: {receiver: gateway, group_by: ['...'], group_wait: 0s, group_interval: 10s, repeat_interval: 4h}
receivers:
  - name: gateway
    webhook_configs:
      - url: ${url}/api/v1/signals/prometheus
        send_resolved: true
        http_config: {authorization: {credentials: ${token}}}
`,
  );
  const address = `127.0.0.1:${await freePort()}`;
  const args = [
    `--config.file=${config}`,
    `--storage.path=${join(directory, 'am')}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ];
  await start('prometheus-alertmanager', args, {}, [/(Listening|listening)/i]);
  while (!(await fetch(`http://${address}/-/ready`).catch(() => ({ ok: false }))).ok) await pause(50);
  const all = Array.from({ length: alerts }, (_, i) => ({ labels: labels(i) }));
  for (let i = 0; i < all.length; i += 500) {
    await fetch(`http://${address}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(all.slice(i, i + 500)),
    });
  }
  for (let attempt = 0; attempt < 1_200; attempt++) {
    const { storm, requests } = await stand(api);
    if (storm !== undefined && storm.alertCount + requests.length - 1 >= alerts) break;
    await pause(100);
  }
  return undefined;
}

/** By the gateway's own histogram: the upper bound for each post. */
function timesOf(scraped) {
  const lines = scraped.matchAll(
    /^gateway_http_duration_seconds_bucket\{le="([\d.]+)",method="POST",route="[^"]*prometheus"\} (\d+)/gm,
  );
  return [...lines].flatMap(([, le, count], i, rows) =>
    Array(Number(count) - Number(rows[i - 1]?.[2] ?? 0)).fill(Number(le) * 1000),
  );
}

async function stand(api) {
  const list = await (await fetch(`${api}/apis/remediation.kubernaut.io/v1/remediationrequests`)).json();
  return { requests: list.items, storm: list.items.find(({ spec }) => spec.storm?.isStorm)?.status?.storm };
}
