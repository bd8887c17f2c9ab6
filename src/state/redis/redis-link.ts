import type { ConnectionOptions } from 'node:tls';
import type { Redis } from 'ioredis';
import type { RedisScript } from './redis-script';
import type { ScriptBatch, ScriptReply } from './script-batch';

/** Servers that know which Redis is the primary. */
export interface SentinelOptions {
  /** `host:port` each. */
  readonly addrs: readonly string[];
  readonly master: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

export interface RedisLinkOptions {
  /** `host:port`; not used when there are Sentinels or nodes of a Cluster. */
  readonly addr: string;
  readonly sentinel?: SentinelOptions | undefined;
  /** `host:port` each, of some nodes of a Redis Cluster; they know the others. */
  readonly clusterNodes?: readonly string[] | undefined;
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
}

/** What a link tells its connection. */
export interface LinkListener {
  /** It can be used from now on. */
  ready(): void;
  /** It cannot be used, and tries to connect again by itself. */
  closed(): void;
  failed(error: Error): void;
  /** How long to pause before the next attempt to connect. Milliseconds. */
  pauseMs(): number;
}

/** The way to Redis, whatever its topology: it connects and reconnects by itself, and every command ends in time. */
export interface RedisLink {
  open(): void;
  close(): void;
  /** Begins anew, because answers are overdue on what is connected now. */
  reconnect(): void;
  readonly isReady: boolean;
  run(script: RedisScript, batch: ScriptBatch): Promise<ScriptReply>;
  /** Whether all of it can be read and written; rejects with what is wrong. */
  probe(): Promise<void>;
  /** What it says of its memory. */
  memory(): Promise<string>;
}

const maxLoadingRetryMs = 2_000;
/** How long a connection that we close may take to say goodbye. */
const goodbyeMs = 100;

/** How the client library treats each server, alone or as the node of a Cluster. */
export function clientOptions(options: RedisLinkOptions) {
  const { username, password, tls, dialTimeoutMs, commandTimeoutMs, readTimeoutMs } = options;
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(tls === undefined ? {} : { tls }),
    connectionName: 'kubernaut-gateway',
    disableClientInfo: true,
    connectTimeout: dialTimeoutMs,
    commandTimeout: commandTimeoutMs,
    disconnectTimeout: goodbyeMs,
    ...(readTimeoutMs ? { socketTimeout: readTimeoutMs } : {}),
    // Nothing waits for a connection.
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: maxLoadingRetryMs,
  };
}

/** The library listens to the first error of a socket alone; TLS can have a second, which would end the process. */
export function hearFurtherErrors(client: Redis): void {
  client.on('error', () => {
    const { stream } = client as { readonly stream?: Redis['stream'] };
    stream?.on('error', () => undefined);
  });
}
