import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { constants, Script } from 'node:vm';

const file = join(__dirname, 'bundle.js');

/** What V8 had compiled of the program when it ran before. */
export const codeCacheFile = join(__dirname, 'bundle.cache');

/**
 * The program in one file (scripts/bundle.mjs), with what V8 compiled of it when it was built (scripts/code-cache.mjs): to compile
 * 8 MB anew takes a third of each start (ADR 0010). What another version of V8 compiled is not used by this one.
 */
export function compileProgram(): Script {
  const cachedData = readCodeCache();
  // It is written in ASCII, which need not be decoded, and as the function that is run: to wrap it here would copy it.
  const program = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  // Has its memory freed now: a gateway that has little to do does not collect garbage for hours.
  cachedData?.buffer.transfer(0);
  return program;
}

/** Runs it as Node.js runs a module of CommonJS, and answers what it exports. */
export function loadProgram(program: Script): typeof import('./cli/run') {
  const module = { exports: {} };
  const run = program.runInThisContext() as (...of: unknown[]) => void;
  run(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports as typeof import('./cli/run');
}

function readCodeCache(): Buffer<ArrayBuffer> | undefined {
  try {
    return readFileSync(codeCacheFile);
  } catch {
    // Without one it only starts later.
    return undefined;
  }
}
