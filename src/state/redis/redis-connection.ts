import { outsideRequests } from '../../outside-requests';
import { jittered } from '../../pause';
import { StateUnavailableError } from '../signal-state';
import { memoryWarning } from './memory-warning';
import { isTimeout, lost, reasonOf, scriptFaultOf, withoutCommand } from './redis-failure';
import { ClusterLink } from './cluster-link';
import type { LinkListener, RedisLink, RedisLinkOptions } from './redis-link';
import type { RedisScript } from './redis-script';
import { ServerLink } from './server-link';
import type { ScriptBatch, ScriptReply } from './script-batch';

export type RedisStatus = { readonly up: true } | { readonly up: false; readonly reason: string };

/** Hears of a change between up and down, once each, and once more when it becomes known why it is down. The reason is short and holds no secret. */
export type RedisListener = (status: RedisStatus) => void;

export interface RedisConnectionOptions extends RedisLinkOptions {
  readonly onChange: RedisListener;
  /** Hears what is wrong with how Redis is set up, whenever that is something else than before, and of scripts that fail there. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

const firstBackOffMs = 50;
const maxBackOffMs = 2_000;

/**
 * The connection to Redis, which is either up or not asked at all.
 *
 * It is up after a probe succeeded, and down from the first command that fails in whatever way (no answer, connection
 * lost, out of memory, read-only, …) until a later probe succeeds; a script that fails by its own doing says nothing of Redis. While it is down, commands fail at once, so an outage
 * costs one command timeout and not one for each request.
 */
export class RedisConnection {
  private readonly link: RedisLink;
  private current: RedisStatus = { up: false, reason: 'not connected yet' };
  private announced: RedisStatus | undefined;
  private recovery: PromiseWithResolvers<void> = Promise.withResolvers();
  private failedAttempts = 0;
  private nextProbe: NodeJS.Timeout | undefined;
  private closed = false;
  private probing = false;
  private warned: string | undefined;
  private readonly faults = new Set<string>();

  constructor(private readonly options: RedisConnectionOptions) {
    const listener: LinkListener = {
      ready: () => void this.probe(),
      failed: (error) => this.goDown(reasonOf(error)),
      closed: () => {
        clearTimeout(this.nextProbe);
        if (this.current.up) this.goDown(lost);
      },
      pauseMs: () => this.backOffMs(),
    };
    this.link = options.clusterNodes?.length ? new ClusterLink(options, listener) : new ServerLink(options, listener);
  }

  /** Begins to connect and goes on trying until `close`; neither waits nor fails. */
  open(): void {
    this.link.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.nextProbe);
    this.link.close();
  }

  get status(): RedisStatus {
    return this.current;
  }

  /** Closed while commands go through, open while they fail at once, half-open while a probe is under way. */
  get circuit(): 'closed' | 'open' | 'half-open' {
    if (this.current.up) return 'closed';
    return this.probing ? 'half-open' : 'open';
  }

  /** Resolves when the connection is up, at once if it is. */
  whenUp(): Promise<void> {
    return this.recovery.promise;
  }

  /**
   * Runs a script: in one round trip, in a Redis Cluster in one for each key. Scripts run in the order of the calls.
   * @throws StateUnavailableError within the command timeout; at once while the connection is down
   */
  run(script: RedisScript, batch: ScriptBatch): Promise<ScriptReply> {
    const before = this.current;
    if (!before.up) return Promise.reject(new StateUnavailableError(`Redis is not available: ${before.reason}`));
    return this.link.run(script, batch).catch((caught: unknown) => {
      const error = caught as Error;
      const line = scriptFaultOf(error);
      if (line !== undefined) this.tellOfFault(script, line);
      // Of several commands in flight, the first to fail speaks for all.
      else if (this.current === before) this.fail(error);
      throw new StateUnavailableError(`Redis is not available: ${reasonOf(error)}`, { cause: withoutCommand(error) });
    });
  }

  private async probe(): Promise<void> {
    this.probing = true;
    try {
      await this.link.probe();
      this.goUp();
    } catch (error) {
      this.fail(error as Error);
      return;
    } finally {
      this.probing = false;
    }
    await this.lookAtMemory();
  }

  /** Who may not ask is not warned: that is no fault. */
  private async lookAtMemory(): Promise<void> {
    const warning = await this.link.memory().then(memoryWarning, () => undefined);
    if (warning !== undefined && warning !== this.warned) this.options.onWarning?.(warning);
    this.warned = warning;
  }

  /** Once for each place. */
  private tellOfFault({ sha1 }: RedisScript, line: string): void {
    const place = `${sha1}:${line}`;
    if (this.faults.has(place)) return;
    this.faults.add(place);
    this.options.onWarning?.(`a script of the gateway (${sha1.slice(0, 8)}) failed in Redis, in its line ${line}`);
  }

  private fail(error: Error): void {
    this.goDown(reasonOf(error));
    if (isTimeout(error)) {
      // Answers that nobody waits for would pile up behind this one; a new connection begins with none.
      this.link.reconnect();
    } else if (this.link.isReady) {
      this.nextProbe = outsideRequests(() => setTimeout(() => void this.probe(), this.backOffMs())).unref();
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
    const { announced, current } = this;
    // Why it was lost is known when it cannot be had again.
    const saysMore = announced?.up === false && announced.reason === lost && !current.up && current.reason !== lost;
    if (this.closed || (announced?.up === current.up && !saysMore)) return;
    this.announced = current;
    // A state of all, whoever came upon it.
    outsideRequests(() => this.options.onChange(this.current));
  }

  /** Doubles with every attempt, with jitter so that replicas do not come back all at once. */
  private backOffMs(): number {
    return jittered(Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.failedAttempts++));
  }
}
