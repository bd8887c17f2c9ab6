import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Runs a command without showing its output, which is the error's message when it fails. Answers what it printed. */
export function run(command, args, { env = process.env } = {}) {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw new Error(`${command} could not be run: ${error.message}`);
  if (status !== 0)
    throw new Error(`${stdout}${stderr}\n${[command, ...args].join(' ')} ended with ${signal ?? status}`);
  return stdout;
}

/** Whether PATH has a program of this name. */
export function isOnPath(program) {
  return findProgram(program) !== undefined;
}

/** The file that a program's name stands for, by PATH. */
export function findProgram(program) {
  const files = process.env.PATH.split(delimiter).map((folder) => join(folder, program));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Says what is being done, does it, and adds how long it took, all in one line. */
export function timed(what, work) {
  const start = performance.now();
  const took = () => seconds(performance.now() - start);
  process.stdout.write(`${what} ... `);
  try {
    const result = work();
    console.log(took());
    return result;
  } catch (error) {
    console.log(`failed after ${took()}`);
    throw error;
  }
}

export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
