// Keeps what V8 compiles of the program beside it, for every start to come: npm run build, and the Dockerfile, with the Node.js of the image
//
// It starts the program in standalone mode, which needs nothing else, and sends it what a gateway is sent: the first webhook of a gateway
// then finds compiled what it needs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { codeCacheFile, codeCacheOf, compileProgram, loadProgram } = createRequire(import.meta.url)(
  '../dist/program.js',
);

const token = 'code-cache';

// What it says is for people who started it.
let said = '';
for (const stream of [process.stdout, process.stderr]) stream.write = (text) => (said += text) !== '';

const program = compileProgram();
const objects = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-code-cache-'));
process.on('exit', () => rmSync(objects, { recursive: true }));
const args = ['standalone', '--listen', '127.0.0.1:0', '--token', token, '--data', objects];
const environment = { GATEWAY_LOGGING__OUTPUT: '/dev/null', GATEWAY_LOGGING__FORMAT: 'json' };
await loadProgram(program).run(args, environment);
const gateway = /gateway listening on (\S+)/.exec(said)[1];
await fetch(`${gateway}/ready`);

const alert = (name, status = 'firing') => ({
  status,
  labels: { alertname: name, namespace: 'default', pod: `${name}-0`, severity: 'warning' },
  annotations: { summary: 'a summary' },
  startsAt: new Date().toISOString(),
});
const groups = [
  [alert('one')],
  [alert('one')],
  [alert('one', 'resolved')],
  Array.from({ length: 50 }, (_, i) => alert(`of-many-${i}`)),
];
for (const alerts of groups) {
  const answer = await fetch(`${gateway}/api/v1/signals/prometheus`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ version: '4', alerts }),
  });
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}: ${await answer.text()}`);
}
writeFileSync(codeCacheFile, codeCacheOf(program));
process.exit();
