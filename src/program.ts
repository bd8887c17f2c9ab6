import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

const file = join(__dirname, 'bundle.js');
/** A digest of the program and of what V8 compiled of it, and then that. */
export const codeCacheFile = join(__dirname, 'bundle.cache');
const digestLength = 32;

/**
 * The program in one file (scripts/bundle.mjs), with what V8 compiled of it when it was built (scripts/code-cache.mjs): to compile
 * 8 MB anew takes a third of each start (ADR 0010). V8 does not use what another version of it compiled, but it would run what it compiled
 * of another text of this length, and a damaged file would end the process: that is for the digest to tell.
 * @returns `undefined` where there are only its modules, as the compiler makes them
 */
export function compileProgram(): Script | undefined {
  if (!existsSync(file)) return undefined;
  const source = readFileSync(file);
  const cached = readCodeCache(source);
  // It is written in ASCII, which need not be decoded, and as the function that is run: to wrap it here would copy it.
  const program = new Script(source.toString('latin1'), {
    filename: file,
    cachedData: cached,
  });
  // Their memory is freed now: a gateway that has little to do does not collect garbage for hours.
  for (const read of [source, cached]) read?.buffer.transfer(0);
  return program;
}

/** Runs it as Node.js runs a module of CommonJS, and answers what it exports. */
export function loadProgram(program: Script): typeof import('./cli/run') {
  const module = { exports: {} };
  const run = program.runInThisContext() as (...of: unknown[]) => void;
  run(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports as typeof import('./cli/run');
}

/** What the file is to hold, of a program that has run for a while: what V8 has compiled by then. */
export function codeCacheOf(program: Script): Buffer {
  const compiled = program.createCachedData();
  return Buffer.concat([digestOf(readFileSync(file), compiled), compiled]);
}

/** Nothing when it is absent, damaged, or of another program: then it only starts later. */
function readCodeCache(source: Buffer): Buffer<ArrayBuffer> | undefined {
  if (!existsSync(codeCacheFile)) return undefined;
  const content = readFileSync(codeCacheFile);
  const compiled = content.subarray(digestLength);
  return digestOf(source, compiled).equals(content.subarray(0, digestLength)) ? compiled : undefined;
}

function digestOf(source: Buffer, compiled: Buffer): Buffer {
  return createHash('sha256').update(source).update(compiled).digest();
}
