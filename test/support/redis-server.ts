import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { eventually } from './eventually';

export interface RedisServerOptions {
  /** A port on loopback; without one, a free one is taken. */
  readonly port?: number;
  /** `requirepass` of the default user. */
  readonly password?: string;
  /** Further settings as in redis.conf, e.g. `{ maxmemory: '4mb' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A real redis-server on loopback that persists nothing, in a process of its own. */
export class RedisServer {
  private constructor(
    private readonly process: ChildProcess,
    private readonly directory: string,
    readonly port: number,
    private readonly password: string | undefined,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  static async start({ port, password, settings = {} }: RedisServerOptions = {}): Promise<RedisServer> {
    const listenOn = port ?? (await freePort());
    const directory = await mkdtemp(join(tmpdir(), 'redis-server-'));
    const all = {
      port: String(listenOn),
      bind: '127.0.0.1',
      dir: directory,
      save: '',
      appendonly: 'no',
      ...(password === undefined ? {} : { requirepass: password }),
      ...settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await ready(child);
    } catch (error) {
      await rm(directory, { recursive: true });
      throw error;
    }
    return new RedisServer(child, directory, listenOn, password, settings);
  }

  /** The same server, as who knows the password that it was given later. */
  withPassword(password: string): RedisServer {
    return new RedisServer(this.process, this.directory, this.port, password, this.settings);
  }

  get addr(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `redis://${this.password === undefined ? '' : `:${this.password}@`}${this.addr}`;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exited = once(this.process, 'exit');
      // The one signal that ends a paused process as well; there is nothing to save.
      this.process.kill('SIGKILL');
      await exited;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Another one in its place, which knows nothing of what was in it. */
  startAgain(): Promise<RedisServer> {
    const { port, password, settings } = this;
    return RedisServer.start({ port, settings, ...(password === undefined ? {} : { password }) });
  }

  /** The process hangs: the kernel still accepts connections, and nobody answers. */
  pause(): void {
    this.process.kill('SIGSTOP');
  }

  resume(): void {
    this.process.kill('SIGCONT');
  }

  async flush(): Promise<void> {
    await this.command('FLUSHALL');
  }

  /** Runs a command by redis-cli and answers what it prints. */
  async command(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, ...(this.password === undefined ? {} : { REDISCLI_AUTH: this.password }) };
    const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(this.port), '-e', ...args], { env });
    return stdout.trim();
  }

  /** Resolves when its replicas have all that it has; there must be one. */
  async replicated(): Promise<void> {
    await eventually(async () => {
      const replication = await this.command('INFO', 'replication');
      const offset = /^master_repl_offset:(\d+)/m.exec(replication)?.[1];
      const replicas = [...replication.matchAll(/^slave\d+:.*state=online,offset=(\d+)/gm)];
      if (replicas.length === 0 || replicas.some(([, has]) => has !== offset)) throw new Error(replication);
    });
  }

  /** How often each command was called, by lower-case name. */
  async commandCalls(): Promise<Map<string, number>> {
    const stats = await this.command('INFO', 'commandstats');
    const lines = stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
    return new Map([...lines].map(([, name, calls]) => [name ?? '', Number(calls)]));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function ready(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new Error('redis-server is not on the PATH: install the Debian package "redis-server"', { cause: error });
  }
  // A test run that ends early must not leave it behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.removeListener('exit', kill));

  const output: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    output.push(line);
    if (line.includes('Ready to accept connections')) {
      child.stdout?.resume();
      return;
    }
  }
  throw new Error(`redis-server ended before it was ready:\n${output.join('\n')}`);
}
