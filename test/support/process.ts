import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

type Child = ChildProcessByStdio<null, Readable, Readable>;

export interface StartOptions {
  /** Folder to run in; default: that of the tests. */
  readonly cwd?: string;
  /** Added to the environment of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A program in a process of its own. It does not outlive the process of the tests, however that ends. */
export class RunningProcess {
  /** All that it has printed so far, standard output and standard error as they came. */
  output = '';
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  private hasEnded = false;

  private constructor(
    private readonly command: string,
    private readonly child: Child,
  ) {
    const collect = (chunk: string): void => void (this.output += chunk);
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    const release = endWithTests(this.pid);
    this.ended = new Promise((resolve) => {
      child.once('exit', release);
      child.once('close', (code, signal) => {
        this.hasEnded = true;
        resolve(code ?? signal!);
      });
    });
  }

  /** Rejects when the program cannot be started, for instance because it is not on the PATH. */
  static async start(
    command: string,
    args: readonly string[],
    { cwd, env }: StartOptions = {},
  ): Promise<RunningProcess> {
    const child: Child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    await once(child, 'spawn');
    return new RunningProcess(command, child);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The first match of the pattern in what it prints. Rejects, with all of the output, when it ends or the time is over first. */
  async printed(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const over = this.hasEnded ? 'it ended' : performance.now() > end ? `${timeoutMs} ms were over` : undefined;
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (over !== undefined)
        throw new Error(`${over} before ${this.command} printed ${String(pattern)}:\n${this.output}`);
      await delay(10);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it and waits until it has. SIGTERM lets it finish; SIGKILL ends one that hangs. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.signal(signal);
    return this.ended;
  }
}

/**
 * Kills a process when ours is gone, unless it was released before. A shell waits for the end of its standard input, which
 * the system closes with our process: Jest hands specs a `process` whose exit event never comes, and a killed one has none.
 */
function endWithTests(pid: number): () => void {
  const guard = spawn('sh', ['-c', 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  return () => void guard.kill('SIGKILL');
}
