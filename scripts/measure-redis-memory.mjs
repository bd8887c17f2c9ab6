// How much memory of Redis does a fingerprint take? Writes entries as the gateway does into a Redis of its own, and prints what
// its memory grew by for each.
//
//   npm run measure:redis-memory
import { spawn, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { createSignalState } from '../dist/state/create-signal-state.js';

const counts = [1_000, 10_000, 100_000];

const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', tmpdir()];
const redis = spawn('redis-server', settings, { stdio: 'ignore' });
const state = createSignalState({
  redis: {
    addr: `127.0.0.1:${port}`,
    db: 0,
    dialTimeoutMs: 1_000,
    commandTimeoutMs: 2_000,
    onFailure: 'reject',
    keyPrefix: 'kubernaut-gateway',
  },
  ttlMs: 3_600_000,
  cleanupIntervalMs: 60_000,
  clock: Date,
  onRedisChange: () => undefined,
});
await state.connection.whenUp();

const usedMemory = () =>
  Number(
    /used_memory:(\d+)/.exec(
      execFileSync('redis-cli', ['-p', String(port), 'INFO', 'memory'], { encoding: 'utf8' }),
    )[1],
  );

const before = usedMemory();
let written = 0;
console.log('entries | bytes of each');
for (const count of counts) {
  while (written < count) {
    const batch = Array.from({ length: Math.min(500, count - written) }, (_, i) => ({
      fingerprint: createHash('sha256')
        .update(String(written + i))
        .digest('hex'),
    }));
    const claims = await state.state.claim(batch);
    await state.state.confirm(
      claims.map(({ fingerprint, token }) => ({
        fingerprint,
        token,
        request: { namespace: 'prod-payment-service', name: `remediation-highmemoryusage-${fingerprint.slice(0, 6)}` },
      })),
    );
    written += batch.length;
  }
  console.log(`${String(count).padStart(7)} | ${Math.round((usedMemory() - before) / count)}`);
}
await state.close();
redis.kill();
