// Compiles the policy that comes with the gateway. The same opa makes the same bytes, which a test checks.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseTar } from 'nanotar';
import { run } from './lib/command.mjs';
import { findAsset } from './lib/go-tools.mjs';

const opa = findAsset('opa');
if (opa === undefined) throw new Error('there is no opa: node scripts/prepare.mjs tools builds it, where there is Go');
const folder = mkdtempSync(join(tmpdir(), 'kubernaut-policy-'));
const bundle = join(folder, 'bundle.tar.gz');
process.chdir('policies');
run(opa, ['build', '-t', 'wasm', '-e', 'kubernaut/gateway/priority/priority', '-o', bundle, 'priority.rego']);
const wasm = parseTar(gunzipSync(readFileSync(bundle))).find(({ name }) => name.endsWith('policy.wasm'));
writeFileSync('priority.wasm', wasm.data);
rmSync(folder, { recursive: true });
console.log(`wrote policies/priority.wasm (${wasm.data.length} bytes)`);
