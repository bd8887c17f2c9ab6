import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { claimScript } from '../../src/state/redis/claim.lua';
import { confirmScript } from '../../src/state/redis/confirm.lua';

export type ScriptName = 'claim' | 'confirm';

const scripts = { claim: claimScript, confirm: confirmScript };

interface Hook {
  readonly script: ScriptName;
  readonly when: 'before' | 'after';
  readonly run: () => unknown;
}

/** A connection through the proxy: nothing passes it once it is mute, and neither side hears of that. */
interface Passage {
  mute: boolean;
}

/**
 * A proxy in front of a real Redis. It tells when a script of the shared memory passes, once a hook, and can lose what it
 * should pass on, as a network does.
 */
export class RedisProxy {
  private hooks: Hook[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly passages = new Set<Passage>();
  private partitioned = false;

  private constructor(
    private readonly server: Server,
    readonly addr: string,
  ) {}

  static async start(targetPort: number): Promise<RedisProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new RedisProxy(server, `127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('connection', (client) => proxy.serve(client, targetPort));
    return proxy;
  }

  /** Called when the script has come and Redis has not seen it. */
  before(script: ScriptName, run: () => unknown): void {
    this.hooks.push({ script, when: 'before', run });
  }

  /** Called when Redis has answered it and its client has not seen that. */
  after(script: ScriptName, run: () => unknown): void {
    this.hooks.push({ script, when: 'after', run });
  }

  /** What is connected now stays so, and nothing passes it ever again. New connections work. */
  leaveHalfOpen(): void {
    for (const passage of this.passages) passage.mute = true;
  }

  /** Connections are accepted, and nothing passes any of them until `heal`. */
  partition(): void {
    this.partitioned = true;
    this.leaveHalfOpen();
  }

  heal(): void {
    this.partitioned = false;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private serve(client: Socket, targetPort: number): void {
    const redis = connect(targetPort, '127.0.0.1');
    const passage: Passage = { mute: this.partitioned };
    this.passages.add(passage);
    const end = () => {
      this.passages.delete(passage);
      client.destroy();
      redis.destroy();
      this.sockets.delete(client);
      this.sockets.delete(redis);
    };
    for (const socket of [client, redis]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    let awaited: Hook | undefined;
    client.on('data', (chunk) => {
      if (passage.mute) return;
      const text = chunk.toString('latin1');
      const hook = this.hooks.find(
        ({ script }) => text.includes(scripts[script].sha1) || text.includes(scripts[script].lua),
      );
      if (hook !== undefined) this.hooks = this.hooks.filter((candidate) => candidate !== hook);
      if (hook?.when === 'after') awaited = hook;
      if (hook?.when === 'before') void passed(hook, () => redis.write(chunk));
      else redis.write(chunk);
    });
    redis.on('data', (chunk) => {
      if (passage.mute) return;
      const hook = awaited;
      awaited = undefined;
      if (hook === undefined) client.write(chunk);
      else void passed(hook, () => client.write(chunk));
    });
  }
}

/** What a hook throws for goes no further. */
async function passed(hook: Hook, send: () => unknown): Promise<void> {
  try {
    await hook.run();
  } catch {
    return;
  }
  send();
}
