// Runs in a pod of the cluster: posts a new alert again and again as Alertmanager does, by the token of its projected volume, until SIGTERM.
// It writes a line for each try that failed, and one of all at its end.
import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { URL } from 'node:url';

const {
  GATEWAY: gateway,
  TOKEN_FILE: tokenFile,
  NAMESPACE: namespace,
  PAUSE_MS: pauseMs,
  NEW_CONNECTIONS: newConnections,
} = process.env;
const { hostname } = new URL(gateway);
const patienceMs = 60_000;
const answers = [];
const underWay = new Set();
let stopped = false;
process.on('SIGTERM', () => (stopped = true));

let sent = 0;
while (!stopped) {
  const post = send(sent++).finally(() => underWay.delete(post));
  underWay.add(post);
  await delay(Number(pauseMs));
}
await Promise.all(underWay);
console.log(JSON.stringify({ summary: { sent, answers } }));

async function send(i) {
  const labels = { alertname: `Steady${i}`, namespace, deployment: `api-${i}`, severity: 'warning' };
  const alerts = [{ status: 'firing', labels, annotations: {}, startsAt: new Date().toISOString() }];
  const body = JSON.stringify({ version: '4', status: 'firing', groupKey: `{}:{alertname="Steady${i}"}`, alerts });
  const start = Date.now();
  for (let attempt = 0; ; attempt++) {
    const at = Date.now();
    const { said, served } = await tryOnce(body);
    const taken = said === 201 || said === 202;
    answers.push({ at, took: Date.now() - at, served, taken, said });
    if (taken) return;
    console.log(JSON.stringify({ alert: i, attempt, said }));
    if (Date.now() - start > patienceMs) return;
    await delay(Math.min(250 * 2 ** attempt, 5_000));
  }
}

/** Asks for the name itself, so that a question that got lost on the way to the cluster's DNS is told from a gateway that does not answer. */
async function tryOnce(body) {
  let asked = 'the name';
  try {
    const given = AbortSignal.timeout(10_000);
    await Promise.race([lookup(hostname), once(given, 'abort').then(() => given.throwIfAborted())]);
    asked = 'the gateway';
    const response = await fetch(`${gateway}/api/v1/signals/prometheus`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`,
        ...(newConnections ? { connection: 'close' } : {}),
      },
      body,
      signal: given,
    });
    const { processing_time_ms: served } = await response.json();
    return { said: response.status, served };
  } catch (error) {
    return { said: `${asked}: ${error.cause?.code ?? error.code ?? error.name}` };
  }
}
