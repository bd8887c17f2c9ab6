import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parseTar } from 'nanotar';
import { packageFile } from '../../package-file';
import { entrypoint, type CompiledPolicy } from './rego-policy';

/** The policy that comes with the gateway, compiled. */
const shipped = packageFile('policies');
const compileMs = 60_000;

/**
 * Reads a policy: `.rego`, which the `opa` binary compiles, `.wasm`, or a bundle (`.tar.gz`).
 * @throws Error with file, line and reason
 */
export async function readPolicy(file: string, opaPath: string): Promise<CompiledPolicy> {
  const source = await readFile(file).catch((error: unknown) => {
    throw new Error(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  });
  if (file.endsWith('.wasm')) return { wasm: new Uint8Array(source), data: {} };
  if (/\.(tar\.gz|tgz)$/.test(file)) return unpacked(source, file);
  if (!file.endsWith('.rego')) throw new Error(`${file}: a policy is a .rego, a .wasm or a bundle (.tar.gz)`);
  // What is compiled already needs no compiler.
  if (source.equals(await readFile(join(shipped, 'priority.rego')))) return shippedPolicy();
  return compiled(file, opaPath);
}

export async function shippedPolicy(): Promise<CompiledPolicy> {
  return { wasm: new Uint8Array(await readFile(join(shipped, 'priority.wasm'))), data: {} };
}

async function compiled(file: string, opaPath: string): Promise<CompiledPolicy> {
  const folder = await mkdtemp(join(tmpdir(), 'kubernaut-policy-'));
  const bundle = join(folder, 'bundle.tar.gz');
  try {
    await promisify(execFile)(opaPath, ['build', '-t', 'wasm', '-e', entrypoint, '-o', bundle, file], {
      timeout: compileMs,
    });
    return unpacked(await readFile(bundle), file);
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === 'ENOENT')
      throw new Error(`${file}: compiling it needs the opa binary, and there is no ${opaPath} (priority.opa_path)`, {
        cause: error,
      });
    const said = `${stdout}${stderr}`.trim() || (error as Error).message;
    const path = entrypoint.split('/');
    const wanted = `; it must begin with 'package ${path.slice(0, -1).join('.')}' and have a rule '${path.at(-1)}'`;
    throw new Error(said.includes('entrypoint') ? said + wanted : said, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function unpacked(archive: Uint8Array, file: string): CompiledPolicy {
  const files = new Map(parseTar(gunzipSync(archive)).map((entry) => [entry.name.replace(/^\.?\//, ''), entry]));
  const wasm = files.get('policy.wasm')?.data;
  if (wasm === undefined)
    throw new Error(`${file}: the bundle holds no policy.wasm; build it with opa build -t wasm -e ${entrypoint}`);
  const data = files.get('data.json')?.text;
  return { wasm: new Uint8Array(wasm), data: data === undefined ? {} : (JSON.parse(data) as object) };
}
