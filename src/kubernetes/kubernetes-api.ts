import type { RequestOptions } from 'node:https';
import type { Readable } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';
import { Pool, type Dispatcher } from 'undici';
import { KubernetesApiError, toKubernetesApiError } from './kubernetes-api.error';

export interface KubernetesApiOptions {
  /** Path of a kubeconfig; empty: found as every Kubernetes program finds it (KUBECONFIG, ~/.kube/config, in-cluster). */
  readonly kubeconfig: string;
  /** Context in it; empty: its current one. */
  readonly context: string;
  /** Address of an API server without credentials, instead of a kubeconfig. */
  readonly server?: string;
  /** How many connections calls share; watches have their own. */
  readonly connections: number;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A call that has no deadline of its own ends here. */
const callTimeoutMs = 5_000;
/** Tokens of a kubeconfig or a pod's volume are read again this often; the kubelet renews them long before they expire. */
const credentialsMaxAgeMs = 30_000;
const watchConnections = 8;

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
  private headers: Record<string, string> = {};
  private headersReadAt = Number.NEGATIVE_INFINITY;

  private constructor(
    private readonly config: KubeConfig,
    tls: RequestOptions,
    connections: number,
  ) {
    const server = new URL(config.getCurrentCluster()?.server ?? '');
    const { ca, cert, key, servername, rejectUnauthorized } = tls;
    const connect = Object.fromEntries(
      Object.entries({ ca, cert, key, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined),
    );
    this.pathPrefix = server.pathname.replace(/\/$/, '');
    this.calls = new Pool(server.origin, {
      connections,
      connect,
      headersTimeout: callTimeoutMs,
      bodyTimeout: callTimeoutMs,
    });
    this.watches = new Pool(server.origin, {
      connections: watchConnections,
      connect,
      headersTimeout: callTimeoutMs,
      bodyTimeout: 0,
    });
  }

  static async connect(options: KubernetesApiOptions): Promise<KubernetesApi> {
    const config = loadKubeConfig(options);
    const tls: RequestOptions = {};
    await config.applyToHTTPSOptions(tls);
    return new KubernetesApi(config, tls, options.connections);
  }

  /** The namespace that the kubeconfig or the pod itself is in, if it says so. */
  get ownNamespace(): string | undefined {
    return this.config.getContextObject(this.config.getCurrentContext())?.namespace;
  }

  get server(): string {
    return this.config.getCurrentCluster()?.server ?? '';
  }

  /**
   * Calls the API server and answers the parsed body.
   * @throws KubernetesApiError for every answer that is not 2xx, and when there is none
   */
  async call<T>(method: Dispatcher.HttpMethod, path: string, options: CallOptions = {}): Promise<T> {
    try {
      const { statusCode, body } = await this.calls.request({
        method,
        path: this.pathPrefix + path,
        headers: {
          accept: 'application/json',
          ...(options.body === undefined ? {} : { 'content-type': options.contentType ?? 'application/json' }),
          ...(await this.credentials()),
        },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal ?? null,
      });
      const text = await body.text();
      if (statusCode < 200 || statusCode > 299) throw toKubernetesApiError(statusCode, text);
      return JSON.parse(text) as T;
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Opens a stream, e.g. of a watch; it ends when the server or `signal` ends it. */
  async stream(path: string, signal: AbortSignal): Promise<Readable> {
    try {
      const { statusCode, body } = await this.watches.request({
        method: 'GET',
        path: this.pathPrefix + path,
        headers: { accept: 'application/json', ...(await this.credentials()) },
        signal,
      });
      if (statusCode !== 200) throw toKubernetesApiError(statusCode, await body.text());
      return body;
    } catch (error) {
      throw unavailable(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.calls.close(), this.watches.destroy()]);
  }

  private async credentials(): Promise<Record<string, string>> {
    const now = performance.now();
    if (now - this.headersReadAt > credentialsMaxAgeMs) {
      const options: RequestOptions = {};
      await this.config.applyToHTTPSOptions(options);
      this.headers = { ...(options.headers as Record<string, string> | undefined), ...basicAuth(options.auth) };
      this.headersReadAt = now;
    }
    return this.headers;
  }
}

function loadKubeConfig({ kubeconfig, context, server }: KubernetesApiOptions): KubeConfig {
  const config = new KubeConfig();
  if (server !== undefined)
    config.loadFromClusterAndUser({ name: 'given', server, skipTLSVerify: false }, { name: 'none' });
  else if (kubeconfig !== '') config.loadFromFile(kubeconfig);
  else config.loadFromDefault();
  if (context !== '') {
    if (config.getContextObject(context) === null) throw new Error(`the kubeconfig has no context "${context}"`);
    config.setCurrentContext(context);
  }
  // The library refuses plain HTTP unless TLS need not be verified, although there is none.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  if (!config.getCurrentCluster()?.server || isGuessed(config)) {
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

function unavailable(error: unknown): KubernetesApiError {
  if (error instanceof KubernetesApiError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new KubernetesApiError('unavailable', `no answer from the API server: ${reason}`, undefined, { cause: error });
}
