import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { RunningProcess } from './process';

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
    private readonly process: RunningProcess,
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
    const server = await RunningProcess.start('redis-server', args);
    try {
      await server.printed(/Ready to accept connections/);
    } catch (error) {
      await server.stop('SIGKILL');
      await rm(directory, { recursive: true });
      throw error;
    }
    return new RedisServer(server, directory, listenOn, password, settings);
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
    // The one signal that ends a paused process as well; there is nothing to save.
    await this.process.stop('SIGKILL');
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Another one in its place, which knows nothing of what was in it. */
  startAgain(): Promise<RedisServer> {
    const { port, password, settings } = this;
    return RedisServer.start({ port, settings, ...(password === undefined ? {} : { password }) });
  }

  /** The process hangs: the kernel still accepts connections, and nobody answers. */
  pause(): void {
    this.process.signal('SIGSTOP');
  }

  resume(): void {
    this.process.signal('SIGCONT');
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
