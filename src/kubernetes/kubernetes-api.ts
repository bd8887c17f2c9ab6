import type { RequestOptions } from 'node:https';
import type { Readable } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';
import { Pool, type Dispatcher } from 'undici';
import { beforeDeadline, DeadlineExceededError, deadlineIn, remainingMs } from '../deadline';
import { messageOf } from '../error-message';
import type { LogSink } from '../logging/log-sink';
import { CallResilience } from './call-resilience';
import type { CircuitName } from './circuit';
import { exchange, ExchangeAbandonedError, ExchangeTimeoutError } from './http-exchange';
import { isFailure, KubernetesApiError, toKubernetesApiError, type KubernetesFailure } from './kubernetes-api.error';

export interface KubernetesApiOptions {
  /** Path of a kubeconfig; empty: found as every Kubernetes program finds it (KUBECONFIG, ~/.kube/config, in-cluster). */
  readonly kubeconfig: string;
  /** Context in it; empty: its current one. */
  readonly context: string;
  /** Address of an API server without credentials, instead of a kubeconfig. */
  readonly server?: string;
  /** How many connections calls share; watches have their own. */
  readonly connections: number;
  /** How long one attempt of a call may take. Milliseconds. */
  readonly callTimeoutMs: number;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly contentType?: string;
  /** In which form it is answered. Default: JSON. */
  readonly accept?: string;
  /** What is made of the text of the answer. Default: what JSON says. */
  readonly read?: (answer: string) => unknown;
  /** When its caller must have an answer: it ends then, and is not repeated beyond it. */
  readonly signal?: AbortSignal | undefined;
  /** In place of the common one, for calls that take long. Milliseconds. */
  readonly timeoutMs?: number;
  /** Whether it is repeated here when that can help; else its caller does so at its own pace. Default: true. */
  readonly repeat?: boolean;
}

type Headers = Readonly<Record<string, string>>;

/** A caller that gives up after less says nothing about the server. */
const fairTimeMs = 1_000;
/** How long the server may take to say that it is there. */
const askTimeoutMs = 500;
/** Tokens of a kubeconfig or a pod's volume are read again this often; the kubelet renews them long before they expire. */
const credentialsMaxAgeMs = 30_000;
/** A program that has not told them after so long is asked anew. */
const credentialsTimeoutMs = 10_000;
/** Every watch holds one; one more is for asking whether the server answers. */
const watchConnections = 12;
/** What concerns every call of its kind until somebody puts it right. */
const systemic: ReadonlySet<KubernetesFailure> = new Set(['unauthenticated', 'forbidden', 'crd-unusable']);

/**
 * The way to the API server: HTTP connections that are kept and shared, and errors that say what they mean.
 *
 * The client library finds and reads the configuration and its credentials. Its own transport opens a TLS connection for
 * every call (measured: 5 times the CPU of a create, and a socket left behind), hence the pool here.
 */
export class KubernetesApi {
  private readonly calls: Pool;
  private readonly watches: Pool;
  private readonly pathPrefix: string;
  private readonly resilience: CallResilience;
  private headers: Headers = {};
  private headersReadAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | undefined;
  private asking: Promise<boolean> | undefined;

  private constructor(
    private readonly options: KubernetesApiOptions,
    private config: KubeConfig,
    tls: RequestOptions,
    log: LogSink,
  ) {
    const { connections, callTimeoutMs } = options;
    this.resilience = new CallResilience(log);
    const server = new URL(config.getCurrentCluster()?.server ?? '');
    const { ca, cert, key, servername, rejectUnauthorized } = tls;
    const connect = Object.fromEntries(
      Object.entries({ ca, cert, key, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined),
    );
    this.pathPrefix = server.pathname.replace(/\/$/, '');
    this.calls = new Pool(server.origin, {
      connections,
      connect,
      // Each attempt has a timeout of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.watches = new Pool(server.origin, {
      connections: watchConnections,
      connect,
      headersTimeout: callTimeoutMs,
      bodyTimeout: 0,
    });
  }

  static async connect(options: KubernetesApiOptions, log: LogSink): Promise<KubernetesApi> {
    const config = loadKubeConfig(options);
    const tls: RequestOptions = {};
    await config.applyToHTTPSOptions(tls);
    return new KubernetesApi(options, config, tls, log);
  }

  /** Called when the server refuses what only an operator can put right. Set by who finds out what that is. */
  onRefusal: (error: KubernetesApiError) => void = () => undefined;

  /** Whether calls go to the server, or fail at once because it does not answer. */
  get circuit(): CircuitName {
    return this.resilience.circuit;
  }

  /** The namespace that the kubeconfig or the pod itself is in, if it says so. */
  get ownNamespace(): string | undefined {
    return this.config.getContextObject(this.config.getCurrentContext())?.namespace;
  }

  get server(): string {
    return this.config.getCurrentCluster()?.server ?? '';
  }

  /**
   * Calls the API server and answers what its body says. Repeats the call where that helps.
   * @throws KubernetesApiError for every answer that is not 2xx, and when there is none
   */
  call<T>(method: Dispatcher.HttpMethod, path: string, options: CallOptions = {}): Promise<T> {
    return this.resilience.execute(() => this.attempt<T>(method, path, options), options);
  }

  /**
   * One attempt; two when our credentials are not accepted, for they may just have been renewed. In one function: each further promise
   * of a call is paid for by every create.
   */
  private async attempt<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    options: CallOptions,
    mayRenew = true,
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.callTimeoutMs;
    const startedAt = performance.now();
    let credentials: Headers | undefined;
    try {
      credentials = this.areCredentialsFresh() ? this.headers : await this.credentials(options.signal);
      const { statusCode, headers, text } = await exchange(
        this.calls,
        {
          method,
          path: this.pathPrefix + path,
          headers: {
            accept: options.accept ?? 'application/json',
            ...(options.body === undefined ? {} : { 'content-type': options.contentType ?? 'application/json' }),
            ...credentials,
          },
          body: options.body === undefined ? null : JSON.stringify(options.body),
        },
        { timeoutMs, signal: options.signal },
      );
      if (statusCode < 200 || statusCode > 299) throw toKubernetesApiError(statusCode, text, headers['retry-after']);
      return (options.read ?? JSON.parse)(text) as T;
    } catch (error) {
      if (mayRenew && isFailure(error, 'unauthenticated') && this.renewCredentials(credentials))
        return this.attempt<T>(method, path, options, false);
      if (error instanceof KubernetesApiError) {
        if (systemic.has(error.failure)) this.onRefusal(error);
        throw error;
      }
      const hadLittle = performance.now() - startedAt < fairTimeMs;
      const answers = error instanceof ExchangeTimeoutError ? await this.serverAnswers(options.signal) : false;
      const gaveUp = error instanceof ExchangeAbandonedError || answers === undefined;
      throw unavailable(error, { abandoned: hadLittle && gaveUp, serverAnswers: answers === true });
    }
  }

  /**
   * Asks something that costs nothing, over a connection that calls do not use up. Asked once for many.
   * @returns `undefined` when the caller cannot wait for the answer
   */
  private async serverAnswers(signal: AbortSignal | undefined): Promise<boolean | undefined> {
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    if (signal === undefined) return this.asking;
    return beforeDeadline(this.asking, signal).catch(() => undefined);
  }

  private async ask(): Promise<boolean> {
    const due = deadlineIn(askTimeoutMs);
    try {
      const { statusCode, body } = await this.watches.request({
        method: 'GET',
        path: `${this.pathPrefix}/version`,
        headers: await this.credentials(due.signal),
        signal: due.signal,
      });
      await body.dump();
      return statusCode < 500;
    } catch {
      return false;
    } finally {
      due.clear();
    }
  }

  /** Opens a stream, e.g. of a watch; it ends when the server or `signal` ends it. */
  async stream(
    path: string,
    signal: AbortSignal,
    { accept = 'application/json' }: Pick<CallOptions, 'accept'> = {},
  ): Promise<Readable> {
    let credentials: Headers | undefined;
    try {
      credentials = await this.credentials();
      const { statusCode, body } = await this.watches.request({
        method: 'GET',
        path: this.pathPrefix + path,
        headers: { accept, ...credentials },
        signal,
      });
      if (statusCode !== 200) throw toKubernetesApiError(statusCode, await body.text());
      return body;
    } catch (error) {
      if (isFailure(error, 'unauthenticated')) this.renewCredentials(credentials);
      throw unavailable(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.calls.close(), this.watches.destroy()]);
  }

  /**
   * The library keeps what it read for a minute: only a configuration that is read anew asks again. Once for all whose calls were refused.
   * @param refused those that were not accepted
   * @returns false if it cannot be read now, as while it is being replaced
   */
  private renewCredentials(refused: Headers | undefined): boolean {
    if (refused !== this.headers || this.headersReadAt === Number.NEGATIVE_INFINITY) return true;
    try {
      this.config = loadKubeConfig(this.options);
    } catch {
      return false;
    }
    this.headersReadAt = Number.NEGATIVE_INFINITY;
    this.reading = undefined;
    return true;
  }

  /**
   * A program that the kubeconfig names may have to be asked for them: once for all who wait, each for as long as its caller does.
   * @throws KubernetesApiError when that takes too long, which says nothing about the API server
   */
  private async credentials(signal?: AbortSignal): Promise<Headers> {
    if (!this.areCredentialsFresh()) {
      const leftMs = remainingMs(signal);
      const due = deadlineIn(Number.isFinite(leftMs) ? leftMs : this.options.callTimeoutMs);
      try {
        await beforeDeadline((this.reading ??= this.readCredentials()), due.signal);
      } catch (error) {
        if (!(error instanceof DeadlineExceededError)) throw error;
        const message = 'the credentials that the kubeconfig describes could not be had in time';
        throw new KubernetesApiError('unavailable', message, undefined, { abandoned: true, cause: error });
      } finally {
        due.clear();
      }
    }
    return this.headers;
  }

  private async readCredentials(): Promise<void> {
    const { config } = this;
    const now = performance.now();
    const options: RequestOptions = {};
    const due = deadlineIn(credentialsTimeoutMs);
    try {
      await beforeDeadline(config.applyToHTTPSOptions(options), due.signal);
    } finally {
      due.clear();
      if (config === this.config) this.reading = undefined;
    }
    // What another configuration says counts no longer.
    if (config !== this.config) return;
    this.headers = { ...(options.headers as Record<string, string> | undefined), ...basicAuth(options.auth) };
    this.headersReadAt = now;
  }

  private areCredentialsFresh(): boolean {
    return performance.now() - this.headersReadAt <= credentialsMaxAgeMs;
  }
}

function loadKubeConfig({ kubeconfig, context, server }: KubernetesApiOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    if (server !== undefined)
      config.loadFromClusterAndUser({ name: 'given', server, skipTLSVerify: false }, { name: 'none' });
    else if (kubeconfig !== '') config.loadFromFile(kubeconfig);
    else config.loadFromDefault();
  } catch (error) {
    const setting = kubeconfig === '' ? 'KUBECONFIG' : 'kubernetes.kubeconfig';
    throw new Error(`${setting}: the kubeconfig cannot be used: ${(error as Error).message}`, { cause: error });
  }
  if (context !== '') {
    if (config.getContextObject(context) === null) throw new Error(`the kubeconfig has no context "${context}"`);
    config.setCurrentContext(context);
  }
  // The library refuses plain HTTP unless TLS need not be verified, although there is none.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  if (!config.getCurrentCluster()?.server || isGuessed(config)) {
    if (kubeconfig !== '') throw new Error(`kubernetes.kubeconfig: ${kubeconfig} names no cluster`);
    throw new Error(
      'no Kubernetes cluster is configured: set KUBECONFIG or kubernetes.kubeconfig, or run in a cluster',
    );
  }
  return config;
}

/** Where the library finds nothing, it names a server that may be anything, the gateway itself included. */
function isGuessed(config: KubeConfig): boolean {
  return (
    config.getCurrentContext() === 'loaded-context' && config.getCurrentCluster()?.server === 'http://localhost:8080'
  );
}

function basicAuth(auth: string | null | undefined): Record<string, string> {
  return auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
}

function unavailable(
  error: unknown,
  told: { readonly abandoned?: boolean; readonly serverAnswers?: boolean } = {},
): KubernetesApiError {
  if (error instanceof KubernetesApiError) return error;
  const reason = messageOf(error);
  return new KubernetesApiError('unavailable', `no answer from the API server: ${reason}`, undefined, {
    cause: error,
    ...told,
  });
}
