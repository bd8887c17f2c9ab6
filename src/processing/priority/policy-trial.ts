import { Worker } from 'node:worker_threads';
import { severities } from '../../signal/severity';
import type { PolicyInput } from './policy-input';
import { entrypoint, policyMemory, type CompiledPolicy } from './rego-policy';

const deadlineMs = 5_000;

/** Runs in a thread of its own, which can be ended: WebAssembly in this one cannot be interrupted. */
const trial = `
const { parentPort, workerData } = require('node:worker_threads');
const { loadPolicySync } = require(workerData.engine);
const message = (error) => String(error && error.message ? error.message : error);
try {
  const policy = loadPolicySync(workerData.wasm, workerData.memory);
  policy.setData(workerData.data);
  for (const input of workerData.inputs) {
    try {
      policy.evaluate(input, workerData.entrypoint);
    } catch (error) {
      if (/not implemented: built-in function/.test(message(error))) throw error;
      if (/opa_malloc/.test(message(error))) throw new Error('it needs more than ' + workerData.memory.maximum / 16 + ' MiB of memory');
    }
  }
  parentPort.postMessage({});
} catch (error) {
  parentPort.postMessage({ reason: message(error) });
}
`;

/**
 * Tries a policy on inputs of every kind before it may decide.
 * @throws Error when it cannot be loaded, does not end in time or memory, or needs a built-in function that is not available here
 */
export async function tryPolicy({ wasm, data }: CompiledPolicy): Promise<void> {
  const engine = require.resolve('@open-policy-agent/opa-wasm');
  const worker = new Worker(trial, {
    eval: true,
    workerData: { engine, wasm, data, memory: policyMemory, entrypoint, inputs: probeInputs() },
  });
  const outcome = Promise.withResolvers<{ reason?: string }>();
  worker.once('message', outcome.resolve);
  worker.once('error', outcome.reject);
  const overdue = setTimeout(() => outcome.resolve({ reason: `it does not end within ${deadlineMs} ms` }), deadlineMs);
  try {
    const { reason } = await outcome.promise;
    if (reason !== undefined) throw new Error(`the policy cannot be used: ${reason}`);
  } finally {
    clearTimeout(overdue);
    await worker.terminate();
  }
}

/** One of every kind that a policy may have to decide about. */
export function probeInputs(): PolicyInput[] {
  const labels = { alertname: 'Probe', namespace: 'probe', pod: 'probe-1', tier: '0' };
  const resource = { kind: 'Pod', name: 'probe-1', apiVersion: 'v1' };
  const signal = { namespace: 'probe', alertname: 'Probe', source: 'prometheus', resource, labels, annotations: {} };
  return severities.flatMap((severity) =>
    ['production', 'staging', 'unknown'].flatMap((environment) =>
      [false, true].map((storm) => ({ ...signal, severity, environment, storm })),
    ),
  );
}
