import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a list or a watch answers. */
export type Answer = (response: ServerResponse) => void;

export interface Asked {
  readonly verb: 'list' | 'watch';
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

/**
 * An API server of collections, of which a spec says what each list and each watch answers, in turn. A watch that
 * nothing is said of stays open and silent; a list that nothing is said of is an error, which `asked` shows.
 */
export class ProgrammedCollection {
  readonly asked: Asked[] = [];
  readonly lists: Answer[] = [];
  readonly watches: Answer[] = [];
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
      const verb = searchParams.has('watch') ? 'watch' : 'list';
      this.asked.push({ verb, path: pathname, query: Object.fromEntries(searchParams) });
      const answer = verb === 'watch' ? (this.watches.shift() ?? sends()) : (this.lists.shift() ?? status(501));
      answer(response);
    });
  }

  static async start(): Promise<ProgrammedCollection> {
    const collection = new ProgrammedCollection();
    await new Promise<void>((resolve) => collection.server.listen(0, '127.0.0.1', resolve));
    return collection;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The queries of all lists, or of all watches, so far. */
  queries(verb: 'list' | 'watch'): Asked['query'][] {
    return this.asked.filter((asked) => asked.verb === verb).map(({ query }) => query);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A page of a list. */
export function page(resourceVersion: string, items: readonly object[], more?: string): Answer {
  return (response) =>
    response.end(JSON.stringify({ metadata: { resourceVersion, ...(more ? { continue: more } : {}) }, items }));
}

/** A `Status` with this code. */
export function status(code: number, reason = 'X'): Answer {
  return (response) => response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, reason }));
}

/** A watch that sends these events, or lines as they are, and stays open. */
export function sends(...events: readonly (object | string | Buffer)[]): Answer {
  return (response) => {
    response.flushHeaders();
    for (const event of events) response.write(toLine(event));
  };
}

/** A watch that sends these events and is then ended by the server, as every watch is some day. */
export function sendsAndEnds(...events: readonly (object | string)[]): Answer {
  return (response) => response.end(events.map(toLine).join(''));
}

/** A watch that sends these, and then its connection breaks. */
export function sendsAndBreaks(...events: readonly (object | string)[]): Answer {
  return (response) => {
    response.write(events.map(toLine).join(''), () => response.destroy());
  };
}

function toLine(event: object | string | Buffer): string | Buffer {
  return typeof event === 'string' || Buffer.isBuffer(event) ? event : `${JSON.stringify(event)}\n`;
}
