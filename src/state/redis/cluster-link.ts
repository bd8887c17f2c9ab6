import { Cluster, type Redis } from 'ioredis';
import { outsideRequests } from '../../outside-requests';
import { evaluate } from './evaluate';
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
import { argumentsOf, byItem, type ScriptBatch, type ScriptReply } from './script-batch';

/** A key that moves is followed, and a node that is failing over asked again, so often and after so long. */
const maxRedirections = 4;
const redirectionPauseMs = 50;
/** The map of slots is read again this often; what it misses in between the nodes tell with MOVED. */
const slotsRefreshMs = 5_000;
/** A node that does not tell the map of slots in this time is passed over. */
const slotsTimeoutMs = 1_000;
/** Connecting, which asks one node after the other, ends in this time. */
const attemptMs = 30_000;
/** So many keys, spread over the slots by their names, stand for all: a primary with a thirtieth of the slots has one. */
const probeKeys = 128;

/** A Redis Cluster. A batch is one script for each of its items. */
export class ClusterLink implements RedisLink {
  private client: Cluster | undefined;
  private nextAttempt: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly options: RedisLinkOptions,
    private readonly listener: LinkListener,
  ) {}

  /**
   * Every attempt to connect has a client of its own. The library's own way to reconnect can be left without a further
   * attempt when a socket of the last one ends late.
   */
  open(): void {
    const client = new Cluster((this.options.clusterNodes ?? []).map(parseRedisAddress), {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: () => null,
      // The probe says more.
      enableReadyCheck: false,
      maxRedirections,
      retryDelayOnFailover: redirectionPauseMs,
      retryDelayOnClusterDown: redirectionPauseMs,
      retryDelayOnTryAgain: redirectionPauseMs,
      slotsRefreshTimeout: Math.min(slotsTimeoutMs, this.options.dialTimeoutMs),
      slotsRefreshInterval: slotsRefreshMs,
      // Certificates are for the names that the nodes announce.
      ...(this.options.tls === undefined ? {} : { dnsLookup: (address, done) => done(null, address) }),
      redisOptions: clientOptions(this.options),
    });
    this.client = client;
    let reason: Error | undefined;
    client.on('+node', hearFurtherErrors);
    client.on('node error', (error: Error) => (reason = error));
    client.on('error', () => undefined);
    // However it comes to nothing, there is a next attempt.
    const overdue = setTimeout(() => this.renew(client, reason ?? new Error('ETIMEDOUT')), attemptMs).unref();
    client.on('ready', () => {
      clearTimeout(overdue);
      if (this.client === client) this.listener.ready();
    });
    client.on('close', () => this.renew(client, reason ?? new Error('connection lost')));
    client.connect().catch((error: unknown) => this.renew(client, reason ?? (error as Error)));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.nextAttempt);
    this.client?.disconnect();
  }

  reconnect(): void {
    if (this.client !== undefined) this.renew(this.client);
  }

  get isReady(): boolean {
    return this.client?.status === 'ready';
  }

  /** Rejects when any part fails; the others may have been done then. */
  async run(script: RedisScript, whole: ScriptBatch): Promise<ScriptReply> {
    const { client } = this;
    if (client === undefined) throw new Error('not connected');
    const settled = await Promise.allSettled(
      byItem(whole).map((batch) => evaluate(client, script, batch.keys, argumentsOf(batch))),
    );
    return settled.flatMap((part) => {
      if (part.status === 'rejected') throw part.reason as Error;
      return part.value;
    });
  }

  /** Every primary must take part: a key can be anywhere. */
  async probe(): Promise<void> {
    const keys = Array.from({ length: probeKeys }, (_, i) => `${this.options.keyPrefix}:v1:{probe-${i}}`);
    await this.run(probeScript, { keys, common: [], each: keys.map(() => []) });
  }

  async memory(): Promise<string> {
    const [primary]: (Redis | undefined)[] = this.client?.nodes('master') ?? [];
    return (await primary?.info('memory')) ?? '';
  }

  private renew(client: Cluster, reason?: Error): void {
    if (this.client !== client || this.closed) return;
    this.client = undefined;
    client.disconnect();
    if (reason !== undefined) this.listener.failed(reason);
    this.listener.closed();
    this.nextAttempt = outsideRequests(() => setTimeout(() => this.open(), this.listener.pauseMs())).unref();
  }
}
