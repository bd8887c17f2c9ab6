import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { RunningProcess } from './process';
import { RedisServer } from './redis-server';

export const masterName = 'gateway-redis';

/** A primary and a replica, and a Sentinel that makes the replica the primary when that is gone for half a second. */
export class RedisWithSentinel {
  private constructor(
    readonly primary: RedisServer,
    readonly replica: RedisServer,
    private readonly sentinel: RunningProcess,
    private readonly directory: string,
    /** `host:port` of the Sentinel. */
    readonly addr: string,
  ) {}

  /** @param settings further lines of the Sentinel's configuration */
  static async start(settings: readonly string[] = []): Promise<RedisWithSentinel> {
    const primary = await RedisServer.start();
    const replica = await RedisServer.start({ settings: { replicaof: `127.0.0.1 ${primary.port}` } });
    await eventually(async () => {
      const replication = await replica.command('INFO', 'replication');
      if (!replication.includes('master_link_status:up')) throw new Error(replication);
    });
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'redis-sentinel-'));
    const config = join(directory, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `sentinel monitor ${masterName} 127.0.0.1 ${primary.port} 1`,
      `sentinel down-after-milliseconds ${masterName} 500`,
      `sentinel failover-timeout ${masterName} 3000`,
      ...settings,
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const sentinel = await RunningProcess.start('redis-server', [config, '--sentinel']);
    await sentinel.printed(/\+monitor master/);
    // It learns of the replica from the primary, and could promote nobody before.
    await sentinel.printed(/\+slave slave/, 20_000);
    return new RedisWithSentinel(primary, replica, sentinel, directory, `127.0.0.1:${port}`);
  }

  async stop(): Promise<void> {
    await this.sentinel.stop('SIGKILL');
    await this.primary.stop();
    await this.replica.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
