import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { StateUnavailableError } from '../signal-state';
import { probeScript } from './probe.lua';
import { memoryWarning } from './memory-warning';
import { parseRedisAddress } from './redis-address';
import { isTimeout, isUnknownScript, reasonOf, withoutCommand } from './redis-failure';
import type { RedisScript } from './redis-script';

export type RedisStatus = { readonly up: true } | { readonly up: false; readonly reason: string };

/** Hears of a change between up and down, once each. The reason is short and holds no secret. */
export type RedisListener = (status: RedisStatus) => void;

export interface RedisConnectionOptions {
  /** `host:port`; not used when there are Sentinels. */
  readonly addr: string;
  readonly sentinel?: SentinelOptions | undefined;
  readonly tls?: ConnectionOptions | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly db: number;
  /** How long connecting may take. Milliseconds. */
  readonly dialTimeoutMs: number;
  /** The deadline of one command. Milliseconds. */
  readonly commandTimeoutMs: number;
  /** How long a socket may be silent while an answer is due; 0: for ever. Milliseconds. */
  readonly readTimeoutMs?: number | undefined;
  readonly keyPrefix: string;
  readonly onChange: RedisListener;
  /** Hears what is wrong with how Redis is set up, whenever that is something else than before. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** Servers that know which Redis is the primary. */
export interface SentinelOptions {
  /** `host:port` each. */
  readonly addrs: readonly string[];
  readonly master: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

export type RedisReply = readonly (string | number | null)[];

const firstBackOffMs = 50;
const maxBackOffMs = 2_000;
/** How long a connection that we close may take to say goodbye. */
const goodbyeMs = 100;

/**
 * One connection to one Redis, which is either up or not asked at all.
 *
 * It is up after a probe succeeded, and down from the first command that fails in whatever way (no answer, connection
 * lost, out of memory, read-only, …) until a later probe succeeds. While it is down, commands fail at once, so an outage
 * costs one command timeout and not one for each request.
 */
export class RedisConnection {
  private readonly client: Redis;
  private current: RedisStatus = { up: false, reason: 'not connected yet' };
  private announced: boolean | undefined;
  private recovery: PromiseWithResolvers<void> = Promise.withResolvers();
  private failedAttempts = 0;
  private nextProbe: NodeJS.Timeout | undefined;
  /** Sent in full over the present connection, so that Redis knows them by digest. */
  private readonly sentScripts = new Set<RedisScript>();
  private closed = false;
  private warned: string | undefined;

  constructor(private readonly options: RedisConnectionOptions) {
    this.client = new Redis({
      ...placeOf(options),
      ...(options.username ? { username: options.username } : {}),
      ...(options.password ? { password: options.password } : {}),
      connectionName: 'kubernaut-gateway',
      disableClientInfo: true,
      lazyConnect: true,
      connectTimeout: options.dialTimeoutMs,
      commandTimeout: options.commandTimeoutMs,
      disconnectTimeout: goodbyeMs,
      ...(options.readTimeoutMs ? { socketTimeout: options.readTimeoutMs } : {}),
      // Nothing waits for a connection, and nothing is sent twice: a claim that arrives late would be held by nobody.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      maxLoadingRetryTime: maxBackOffMs,
      retryStrategy: () => this.backOffMs(),
      // After a failover the address, or the Sentinel, leads to the new primary, once it is looked up again.
      reconnectOnError: (error) => error.message.includes('READONLY'),
    });
    this.client.on('ready', () => {
      this.sentScripts.clear();
      void this.probe();
    });
    this.client.on('error', (error: Error) => {
      // The library listens to the first error of a socket alone; TLS can have a second, which would end the process.
      const { stream } = this.client as { readonly stream?: Redis['stream'] };
      stream?.on('error', () => undefined);
      this.goDown(reasonOf(error));
    });
    this.client.on('close', () => {
      clearTimeout(this.nextProbe);
      if (this.current.up) this.goDown('connection lost');
    });
  }

  /** Begins to connect and goes on trying until `close`; neither waits nor fails. */
  open(): void {
    // The listener hears of a failure through the error event.
    this.client.connect().catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.nextProbe);
    this.client.disconnect();
  }

  get status(): RedisStatus {
    return this.current;
  }

  /** Resolves when the connection is up, at once if it is. */
  whenUp(): Promise<void> {
    return this.recovery.promise;
  }

  /**
   * Runs a script in one round trip. Scripts run in the order of the calls.
   * @throws StateUnavailableError within the command timeout; at once while the connection is down
   */
  async run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<RedisReply> {
    const before = this.current;
    if (!before.up) throw new StateUnavailableError(`Redis is not available: ${before.reason}`);
    try {
      return (await this.evaluate(script, keys, args)) as RedisReply;
    } catch (caught) {
      const error = caught as Error;
      // Of several commands in flight, the first to fail speaks for all.
      if (this.current === before) this.fail(error);
      throw new StateUnavailableError(`Redis is not available: ${reasonOf(error)}`, { cause: withoutCommand(error) });
    }
  }

  private async evaluate(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    if (!this.sentScripts.has(script)) {
      this.sentScripts.add(script);
      return this.client.eval(script.lua, keys.length, ...keys, ...args);
    }
    try {
      return await this.client.evalsha(script.sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (!isUnknownScript(error as Error)) throw error;
      return this.client.eval(script.lua, keys.length, ...keys, ...args);
    }
  }

  private async probe(): Promise<void> {
    try {
      // The library would go on with database 0 if it were told the database and could not select it.
      if (this.options.db !== 0) await this.client.select(this.options.db);
      await this.evaluate(probeScript, [`${this.options.keyPrefix}:v1:probe`], []);
      this.goUp();
      await this.lookAtMemory();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Who may not ask is not warned: that is no fault. */
  private async lookAtMemory(): Promise<void> {
    const warning = await this.client.info('memory').then(memoryWarning, () => undefined);
    if (warning !== undefined && warning !== this.warned) this.options.onWarning?.(warning);
    this.warned = warning;
  }

  private fail(error: Error): void {
    this.goDown(reasonOf(error));
    if (isTimeout(error)) {
      // Answers that nobody waits for would pile up behind this one; a new connection begins with none.
      this.client.disconnect(true);
    } else if (this.client.status === 'ready') {
      this.nextProbe = setTimeout(() => void this.probe(), this.backOffMs()).unref();
    }
  }

  private goUp(): void {
    this.failedAttempts = 0;
    this.current = { up: true };
    this.recovery.resolve();
    this.announce();
  }

  private goDown(reason: string): void {
    if (this.current.up) this.recovery = Promise.withResolvers();
    this.current = { up: false, reason };
    this.announce();
  }

  private announce(): void {
    if (this.closed || this.announced === this.current.up) return;
    this.announced = this.current.up;
    this.options.onChange(this.current);
  }

  /** Doubles with every attempt, with jitter so that replicas do not come back all at once. */
  private backOffMs(): number {
    const longest = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.failedAttempts++);
    return longest * (0.5 + Math.random() / 2);
  }
}

/** Where the connection leads: to an address, or to the primary that the Sentinels name. */
function placeOf({ addr, sentinel, tls, dialTimeoutMs }: RedisConnectionOptions) {
  const secured = tls === undefined ? {} : { tls };
  if (sentinel === undefined) return { ...parseRedisAddress(addr), ...secured };
  return {
    ...secured,
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
