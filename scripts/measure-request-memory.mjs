// How much memory of the gateway does a RemediationRequest of the cluster take? Lists them as an API server does, live ones and ones that are
// over, and prints what the heap grew by for each.
//
//   npm run measure:request-memory
import { createHash } from 'node:crypto';
import { URL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { buildRemediationRequest } from '../dist/kubernetes/remediation-request.factory.js';
import { RemediationRequestIndex } from '../dist/kubernetes/remediation-request.index.js';

const counts = [10_000, 100_000];
const begin = Date.UTC(2026, 0, 1);
const classification = {
  environment: 'production',
  environmentSource: 'label',
  priority: 'P1',
  prioritySource: 'rego',
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const heapUsed = () => {
  collect();
  return process.memoryUsage().heapUsed;
};

/** The text in which the server tells of one. */
function stored(i, isOver) {
  const fingerprint = createHash('sha256').update(String(i)).digest('hex');
  const startsAt = begin + i * 1_000;
  const time = new Date(startsAt).toISOString();
  const alert = fingerprint.slice(0, 16);
  const signal = {
    source: 'prometheus',
    name: 'HighMemoryUsage',
    severity: 'critical',
    namespace: 'prod-payment-service',
    resource: { kind: 'Pod', name: `payment-api-${i}` },
    labels: { alertname: 'HighMemoryUsage' },
    annotations: {},
    startsAt,
    receivedAt: startsAt,
    links: {},
    fingerprint,
    payload: {},
  };
  const place = { namespace: signal.namespace, generation: 1 };
  const request = buildRemediationRequest(signal, classification, place, [{ fingerprint: alert, startsAt: time }]);
  Object.assign(request.metadata, { uid: alert, resourceVersion: String(10_000_000 + i), creationTimestamp: time });
  if (isOver)
    request.status = {
      overallPhase: 'Completed',
      completionTime: time,
      signal: { state: 'Resolved', firingAlerts: [] },
    };
  return JSON.stringify(request);
}

/** Answers the index's pages; a watch of it never ends. */
function serverOf(count, isOver) {
  return {
    call: async (_, url) => {
      const { searchParams } = new URL(url, 'http://localhost');
      const from = Number(searchParams.get('continue') ?? 0);
      const to = Math.min(from + Number(searchParams.get('limit')), count);
      const items = Array.from({ length: to - from }, (_, i) => JSON.parse(stored(from + i, isOver)));
      return { metadata: { resourceVersion: '1', ...(to < count ? { continue: String(to) } : {}) }, items };
    },
    stream: () => new Promise(() => undefined),
  };
}

console.log('requests | state | bytes of each');
for (const count of counts)
  for (const isOver of [false, true]) {
    const before = heapUsed();
    const index = new RemediationRequestIndex(serverOf(count, isOver), {}, Date, console);
    index.cache.start();
    await index.cache.whenSynced(new AbortController().signal);
    const grown = heapUsed() - before;
    console.log(
      `${String(count).padStart(8)} | ${isOver ? 'over' : 'live'}  | ${Math.round(grown / index.cache.size)}`,
    );
  }
process.exit();
