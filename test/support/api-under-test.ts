import { Agent, request, type Dispatcher } from 'undici';
import { startKubernetesApiServer } from '../../src/standalone/api-server/kubernetes-api-server';

export interface Answered {
  readonly code: number;
  /** Parsed when it is JSON, text when it is not. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an answer
  readonly body: any;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface CallOptions {
  readonly contentType?: string;
  /** Default: an administrator's. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WatchEvent {
  readonly type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a spec states what it expects of an object
  readonly object: any;
}

/** A Kubernetes API server, whichever it is, as the contract's specs see it: with an administrator's rights. */
export interface ApiUnderTest {
  readonly name: string;
  /** @param body an object goes as JSON, text as it is */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answered>;
  /** The events of a watch, until the server ends it. */
  watch(path: string, signal?: AbortSignal): AsyncIterable<WatchEvent>;
  /** A token of a service account that is there. */
  token(namespace: string, serviceAccount: string, audiences: readonly string[]): Promise<string>;
  /** Overloads a server and answers what a caller gets then. */
  overload(): Promise<Answered>;
  close(): Promise<void>;
}

/** What is the same for every server: HTTP. */
export class HttpApi {
  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly url: string,
    private readonly options: { readonly ca?: string; readonly adminToken?: string } = {},
  ) {
    this.dispatcher = new Agent(options.ca === undefined ? {} : { connect: { ca: options.ca } });
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    { contentType = 'application/json', token, headers = {} }: CallOptions = {},
  ): Promise<Answered> {
    const response = await request(this.url + path, {
      method: method,
      dispatcher: this.dispatcher,
      headers: {
        ...this.authorization(token),
        ...(body === undefined ? {} : { 'content-type': contentType }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.body.text();
    const isJson = String(response.headers['content-type']).includes('json');
    return { code: response.statusCode, body: isJson ? JSON.parse(text) : text, headers: response.headers };
  }

  async *watch(path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent> {
    const { statusCode, body } = await request(this.url + path, {
      dispatcher: this.dispatcher,
      headers: this.authorization(undefined),
      ...(signal === undefined ? {} : { signal }),
    });
    if (statusCode !== 200) throw new Error(`the watch was answered ${statusCode}: ${await body.text()}`);
    let rest = '';
    for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent;
    }
  }

  async token(namespace: string, serviceAccount: string, audiences: readonly string[]): Promise<string> {
    const { code, body } = await this.call(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences } },
    );
    if (code !== 201) throw new Error(`no token: ${JSON.stringify(body)}`);
    return body.status.token as string;
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private authorization(token = this.options.adminToken): Record<string, string> {
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }
}

/** The API server of standalone mode, which knows no callers. */
export async function startStandaloneApi(): Promise<ApiUnderTest> {
  const server = await startKubernetesApiServer({ listen: { host: '127.0.0.1', port: 0 }, tokens: [] });
  const http = new HttpApi(server.url);
  return {
    name: 'the API server of standalone mode',
    call: http.call.bind(http),
    watch: http.watch.bind(http),
    token: http.token.bind(http),
    async overload() {
      const full = await startKubernetesApiServer({
        listen: { host: '127.0.0.1', port: 0 },
        tokens: [],
        maxRequestsInFlight: 0,
      });
      const client = new HttpApi(full.url);
      try {
        return await client.call('GET', '/api/v1/namespaces');
      } finally {
        await client.close();
        await full.close();
      }
    },
    async close() {
      await http.close();
      await server.close();
    },
  };
}
