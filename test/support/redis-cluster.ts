import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { RedisServer } from './redis-server';

/** Three primaries with a replica each, which takes over when its primary is gone for a second. */
export class RedisCluster {
  private constructor(readonly nodes: readonly RedisServer[]) {}

  /** @param settingsOf further settings of each node */
  static async start(settingsOf: () => Promise<Record<string, string>> = () => Promise.resolve({})) {
    const nodes: RedisServer[] = [];
    for (let i = 0; i < 6; i++) {
      const settings = {
        ...(await settingsOf()),
        'cluster-enabled': 'yes',
        'cluster-port': String(await freePort()),
        'cluster-node-timeout': '1000',
        'cluster-require-full-coverage': 'no',
      };
      nodes.push(await RedisServer.start({ settings }));
    }
    const addrs = nodes.map(({ addr }) => addr);
    const create = ['--cluster', 'create', ...addrs, '--cluster-replicas', '1', '--cluster-yes'];
    await promisify(execFile)('redis-cli', create);
    const cluster = new RedisCluster(nodes);
    await cluster.whole();
    return cluster;
  }

  get addrs(): string[] {
    return this.nodes.map(({ addr }) => addr);
  }

  /** The node that is the primary of a key. */
  async primaryOf(key: string): Promise<RedisServer> {
    const slot = await this.slotOf(key);
    for (const node of this.nodes) if ((await slotsOf(node)).has(slot)) return node;
    throw new Error(`nobody has slot ${slot}`);
  }

  /** Some of the keys that are in it, from every primary. */
  async someKeys(count: number): Promise<string[]> {
    const keys = await Promise.all(
      this.nodes.map(async (node) => {
        const role = await node.command('ROLE');
        return role.startsWith('master') ? (await node.command('KEYS', '*')).split('\n').filter(Boolean) : [];
      }),
    );
    return keys.flatMap((ofNode) => ofNode.slice(0, Math.ceil(count / 3))).slice(0, count);
  }

  /** Moves the slot of a key, with what is in it, to another primary. */
  async move(key: string): Promise<void> {
    const slot = String(await this.slotOf(key));
    const from = await this.primaryOf(key);
    const to = await this.anotherPrimary(from);
    const [fromId, toId] = [await from.command('CLUSTER', 'MYID'), await to.command('CLUSTER', 'MYID')];
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, '10000')).split('\n').filter(Boolean);
    if (keys.length > 0) await from.command('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys);
    for (const node of [to, from]) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  }

  private async slotOf(key: string): Promise<number> {
    return Number(await this.nodes[0]!.command('CLUSTER', 'KEYSLOT', key));
  }

  private async anotherPrimary(than: RedisServer): Promise<RedisServer> {
    for (const node of this.nodes) if (node !== than && (await slotsOf(node)).size > 0) return node;
    throw new Error('there is no other primary');
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  private async whole(): Promise<void> {
    for (const node of this.nodes) {
      await eventually(async () => {
        const info = await node.command('CLUSTER', 'INFO');
        if (!info.includes('cluster_state:ok') || !info.includes('cluster_known_nodes:6')) throw new Error(info);
      });
      await eventually(async () => {
        const role = await node.command('ROLE');
        if (role.startsWith('slave') && !role.includes('connected')) throw new Error(role);
      });
    }
  }
}

/** The slots that a node says are its own; of one that does not answer, none. */
async function slotsOf(node: RedisServer): Promise<Set<number>> {
  const lines = await node.command('CLUSTER', 'NODES').catch(() => '');
  const own = lines.split('\n').find((line) => line.includes('myself,master'));
  const ranges =
    own
      ?.split(' ')
      .slice(8)
      .filter((range) => !range.startsWith('[')) ?? [];
  const slots = new Set<number>();
  for (const range of ranges) {
    const [from = Number.NaN, to = from] = range.split('-').map(Number);
    for (let slot = from; slot <= to; slot++) slots.add(slot);
  }
  return slots;
}
