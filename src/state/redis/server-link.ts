import { Redis } from 'ioredis';
import { evaluate, evaluateInFull } from './evaluate';
import { probeScript } from './probe.lua';
import { parseRedisAddress } from './redis-address';
import {
  clientOptions,
  hearFurtherErrors,
  type LinkListener,
  type RedisLink,
  type RedisLinkOptions,
} from './redis-link';
import type { RedisScript } from './redis-script';
import { argumentsOf, type ScriptBatch, type ScriptReply } from './script-batch';
import { ScriptQueue } from './script-queue';

/** One Redis, found by its address or through Sentinels. Batches of one turn of the event loop share a round trip. */
export class ServerLink implements RedisLink {
  private readonly client: Redis;
  /** Sent in full over the present connection, so that Redis knows them by digest. */
  private readonly sentScripts = new Set<RedisScript>();
  private readonly queue = new ScriptQueue((script, batch) => this.send(script, batch));

  constructor(
    private readonly options: RedisLinkOptions,
    listener: LinkListener,
  ) {
    this.client = new Redis({
      ...placeOf(options),
      ...clientOptions(options),
      lazyConnect: true,
      enableOfflineQueue: false,
      retryStrategy: () => listener.pauseMs(),
      // After a failover the address, or the Sentinel, leads to the new primary, once it is looked up again.
      reconnectOnError: (error) => error.message.includes('READONLY'),
    });
    hearFurtherErrors(this.client);
    this.client.on('ready', () => {
      this.sentScripts.clear();
      listener.ready();
    });
    this.client.on('error', (error: Error) => listener.failed(error));
    this.client.on('close', () => listener.closed());
  }

  open(): void {
    // The listener hears of a failure through the error event.
    this.client.connect().catch(() => undefined);
  }

  close(): void {
    this.client.disconnect();
  }

  reconnect(): void {
    this.client.disconnect(true);
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  run(script: RedisScript, batch: ScriptBatch): Promise<ScriptReply> {
    return this.queue.run(script, batch);
  }

  private send(script: RedisScript, batch: ScriptBatch): Promise<ScriptReply> {
    const args = argumentsOf(batch);
    if (this.sentScripts.has(script)) return evaluate(this.client, script, batch.keys, args);
    this.sentScripts.add(script);
    return evaluateInFull(this.client, script, batch.keys, args);
  }

  async probe(): Promise<void> {
    // The library would go on with database 0 if it were told the database and could not select it.
    if (this.options.db !== 0) await this.client.select(this.options.db);
    await this.run(probeScript, { keys: [`${this.options.keyPrefix}:v1:probe`], common: [], each: [[]] });
  }

  memory(): Promise<string> {
    return this.client.info('memory');
  }
}

/** Where the connection leads: to an address, or to the primary that the Sentinels name. */
function placeOf({ addr, sentinel, tls, dialTimeoutMs }: RedisLinkOptions) {
  if (sentinel === undefined) return parseRedisAddress(addr);
  return {
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinels: sentinel.addrs.map(parseRedisAddress),
    name: sentinel.master,
    ...(sentinel.username ? { sentinelUsername: sentinel.username } : {}),
    ...(sentinel.password ? { sentinelPassword: sentinel.password } : {}),
    sentinelCommandTimeout: dialTimeoutMs,
    // The library could subscribe to failovers, but leaves a connection to each Sentinel behind with every reconnection. An
    // old primary is noticed by its silence or by READONLY.
    failoverDetector: false,
  };
}
