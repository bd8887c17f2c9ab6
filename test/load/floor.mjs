// The least that any gateway on this stack does: Fastify takes a webhook, a fingerprint of each alert is claimed by the gateway's own script,
// what is new is created and confirmed, and the answer has the gateway's size. No Nest, no authentication, no validation, no log, no
// metrics, no watch, no storms. In a process of its own, on the built gateway's scripts:
//
//   node test/load/floor.mjs REDIS_PORT API_URL
import { randomUUID } from 'node:crypto';
import * as crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { Redis } from 'ioredis';
import { Pool } from 'undici';

const require = createRequire(import.meta.url);
const fastify = require('fastify');
const { correctV8 } = require('../../dist/cli/correct-v8.js');
const { claimScript } = require('../../dist/state/redis/claim.lua.js');
const { confirmScript } = require('../../dist/state/redis/confirm.lua.js');

const [redisPort, api] = process.argv.slice(2);
const redis = new Redis({ host: '127.0.0.1', port: Number(redisPort) });
const pool = new Pool(api, { connections: 32 });
for (const [name, { lua }] of Object.entries({ claim: claimScript, confirm: confirmScript }))
  redis.defineCommand(name, { lua });
const ttlMs = 300_000;
const leaseMs = 30_000;
const atOnce = 16;

const fingerprintOf = ({ alertname, namespace, pod }) =>
  crypto.hash('sha256', JSON.stringify([alertname, namespace, 'Pod', pod]), 'hex');

async function create(alert, fingerprint) {
  const { labels, annotations, startsAt, generatorURL } = alert;
  const name = `rr-${labels.alertname.toLowerCase()}-${fingerprint.slice(0, 12)}`;
  const request = {
    apiVersion: 'remediation.kubernaut.io/v1',
    kind: 'RemediationRequest',
    metadata: { name, namespace: labels.namespace, labels: { 'kubernaut.io/fingerprint': fingerprint.slice(0, 63) } },
    spec: {
      fingerprint,
      alertName: labels.alertname,
      severity: labels.severity,
      environment: 'production',
      priority: 'P1',
      signalSource: 'prometheus',
      resource: { kind: 'Pod', name: labels.pod, namespace: labels.namespace },
      labels,
      annotations,
      firingTime: startsAt,
      receivedTime: new Date().toISOString(),
      generation: 1,
      metadata: { generatorURL },
      originalPayload: JSON.stringify(alert),
    },
  };
  const path = `/apis/remediation.kubernaut.io/v1/namespaces/${labels.namespace}/remediationrequests?fieldValidation=Strict`;
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(request),
  });
  JSON.parse(await body.text());
  // A webhook that is under way at the same time may have the same alert: names arbitrate, as for the gateway.
  if (statusCode !== 201 && statusCode !== 409) throw new Error(`the API server answered ${statusCode}`);
  return name;
}

const app = fastify({ bodyLimit: 32 * 1024 * 1024 });
app.get('/ready', () => ({ status: 'ok' }));
app.post('/api/v1/signals/prometheus', async (request, reply) => {
  const { alerts } = request.body;
  const token = randomUUID();
  const fingerprints = alerts.map(({ labels }) => fingerprintOf(labels));
  const keys = fingerprints.map((fingerprint) => `floor:{${fingerprint}}`);
  const claimed = JSON.parse(
    await redis.claim(keys.length, ...keys, ttlMs, leaseMs, ...keys.flatMap(() => [token, ''])),
  );
  const results = fingerprints.map((fingerprint, i) => ({
    fingerprint,
    status: 'duplicate',
    remediation_request_name: claimed[5 * i],
    occurrence_count: claimed[5 * i + 1],
  }));
  const fresh = results.filter((_, i) => claimed[5 * i] === false);
  let next = 0;
  const work = async () => {
    for (let at = next++; at < fresh.length; at = next++) {
      fresh[at].remediation_request_name = await create(alerts[results.indexOf(fresh[at])], fresh[at].fingerprint);
      fresh[at].status = 'created';
    }
  };
  if (fresh.length > 0) {
    await Promise.all(Array.from({ length: Math.min(atOnce, fresh.length) }, work));
    const freshKeys = fresh.map(({ fingerprint }) => `floor:{${fingerprint}}`);
    const values = fresh.flatMap(({ remediation_request_name: name }) => [token, name, 0, '', '']);
    await redis.confirm(freshKeys.length, ...freshKeys, ttlMs, ...values);
  }
  reply.code(fresh.length > 0 ? 201 : 202);
  return {
    status: fresh.length > 0 ? 'created' : 'duplicate',
    summary: { created: fresh.length, duplicate: results.length - fresh.length },
    results,
  };
});
const url = await app.listen({ port: 0, host: '127.0.0.1' });
if (process.env.V8_AS_IT_IS === undefined) correctV8();
process.send({ url });
process.on('disconnect', () => process.exit());
