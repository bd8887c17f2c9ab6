import { createServer, request as overHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as overHttps } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What goes wrong with a call. */
export type Fault =
  /** The server answers this instead of doing anything. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: object | string }
  /** The connection breaks before anything is done. */
  | 'reset'
  /** Nothing is done, and nothing answered. */
  | 'hang'
  /** It is done, and then the connection breaks without an answer. */
  | 'lose-answer'
  | { readonly delayMs: number }
  /** Called when the call has come, and nothing is done yet. */
  | { readonly before: () => unknown }
  /** Called when it is done, and the answer is not on its way yet. */
  | { readonly after: () => unknown };

export interface Match {
  readonly method?: string;
  readonly path?: RegExp;
}

interface Rule {
  readonly match: Match;
  readonly fault: Fault;
  left: number;
}

/** A `Status` as an API server answers it. */
export function statusFault(code: number, members: object = {}, headers: Record<string, string> = {}): Fault {
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, ...members };
  return { status: code, headers: { 'content-type': 'application/json', ...headers }, body };
}

/** A proxy in front of a Kubernetes API server that makes what a spec wants go wrong. Watches pass through it as well. */
export class FaultyApi {
  /** Method and path of every call that came, with those that went wrong. */
  readonly calls: string[] = [];
  private rules: Rule[] = [];
  private readonly streams = new Set<ServerResponse>();

  private constructor(
    private readonly target: URL,
    private server: Server,
    private port: number,
    private readonly ca: string | undefined,
  ) {}

  /** Of a server that speaks TLS, what signed its certificate. */
  static async start(target: string, ca?: string): Promise<FaultyApi> {
    const proxy = new FaultyApi(new URL(target), createServer(), 0, ca);
    await proxy.up();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next `times` calls that match go wrong, in the order in which faults were added. */
  fail(match: Match, fault: Fault, times = 1): void {
    this.rules.push({ match, fault, left: times });
  }

  heal(): void {
    this.rules = [];
  }

  /** How often a call came. */
  count({ method = '', path = /(?:)/ }: Match): number {
    return this.calls.filter((call) => call.startsWith(method) && path.test(call)).length;
  }

  /** Every connection breaks, and none is accepted. */
  async down(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async up(): Promise<void> {
    this.server = createServer((incoming, outgoing) => {
      this.serve(incoming, outgoing).catch(() => incoming.socket.destroy());
    });
    // So that a client is never handed a connection that is being closed.
    this.server.keepAliveTimeout = 60_000;
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Breaks the watches that are open. */
  breakWatches(): void {
    for (const stream of this.streams) stream.destroy();
  }

  async close(): Promise<void> {
    await this.down();
  }

  private async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const call = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
    this.calls.push(call);
    const body = await bodyOf(incoming);
    const fault = this.take(call);
    if (fault === 'hang') return;
    if (fault === 'reset') {
      incoming.socket.destroy();
      return;
    }
    if (typeof fault === 'object') {
      if ('status' in fault) {
        const { status, headers, body = '' } = fault;
        outgoing.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
        return;
      }
      if ('delayMs' in fault) await delay(fault.delayMs);
      if ('before' in fault) await fault.before();
    }
    // Its headers have come: the server has done what it was asked.
    const answer = await this.forward(incoming, outgoing, body);
    if (typeof fault === 'object' && 'after' in fault) await fault.after();
    if (fault === 'lose-answer') {
      incoming.socket.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    this.streams.add(outgoing);
    outgoing.once('close', () => this.streams.delete(outgoing));
    answer.pipe(outgoing);
  }

  private async forward(incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer): Promise<IncomingMessage> {
    const forward = this.target.protocol === 'https:' ? overHttps : overHttp;
    const upstream = forward({
      ca: this.ca,
      host: this.target.hostname,
      port: this.target.port,
      method: incoming.method,
      path: incoming.url,
      headers: { ...incoming.headers, host: this.target.host },
    });
    outgoing.once('close', () => upstream.destroy());
    upstream.end(body);
    const [response] = (await once(upstream, 'response')) as [IncomingMessage];
    return response;
  }

  private take(call: string): Fault | undefined {
    const rule = this.rules.find(({ match: { method = '', path = /(?:)/ }, left }) => {
      return left > 0 && call.startsWith(method) && path.test(call);
    });
    if (rule !== undefined) rule.left--;
    return rule?.fault;
  }
}

async function bodyOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
