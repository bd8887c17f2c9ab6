// What does a priority cost? A million evaluations of the policy that comes with the gateway, and of the table as the reference.
//
//   npm run bench:priority
import { readFileSync } from 'node:fs';
import { RegoPolicy } from '../dist/processing/priority/rego-policy.js';
import { priorityByTable } from '../dist/processing/priority/priority-table.js';

const rounds = 10;
const each = 100_000;
const policy = new RegoPolicy({ wasm: new Uint8Array(readFileSync('policies/priority.wasm')), data: {} });
const table = new Map([
  ['critical_production', 'P1'],
  ['default', 'P3'],
]);
const labels = {
  alertname: 'PodCrashLooping',
  namespace: 'prod',
  pod: 'api-1',
  job: 'kube-state-metrics',
  team: 'payments',
};
const input = {
  severity: 'critical',
  environment: 'production',
  namespace: 'prod',
  alertname: 'PodCrashLooping',
  source: 'prometheus',
  resource: { kind: 'Pod', name: 'api-1' },
  labels,
  annotations: { summary: 'an annotation of a common length' },
  storm: false,
};

function timed(work) {
  const begin = performance.now();
  for (let i = 0; i < each; i++) work();
  return ((performance.now() - begin) / each) * 1_000;
}

console.log('evaluations | policy  | table   | resident memory');
for (let round = 1; round <= rounds; round++) {
  const byPolicy = timed(() => policy.evaluate(input));
  const byTable = timed(() => priorityByTable(table, 'critical', 'production'));
  const memory = `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`;
  console.log(
    `${String(round * each).padStart(11)} | ${byPolicy.toFixed(2)} µs | ${byTable.toFixed(2)} µs | ${memory}`,
  );
}
