import type { ServerResponse } from 'node:http';
import { ApiStatus } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import type { ObjectStore, StoreEvent } from './object-store';
import { apiVersionOf, type ResourceType } from './resource-types';
import type { Selector } from './selectors';

export interface WatchOptions {
  readonly type: ResourceType;
  readonly selects: Selector;
  /** Go on after this version; absent: begin with what is there. */
  readonly after?: number;
  readonly bookmarks: boolean;
  readonly timeoutSeconds: number;
  /** How an object goes over the wire, e.g. as a table. */
  readonly show: (object: KubernetesObject) => unknown;
}

const bookmarkMs = 60_000;
/** Of what a client has not read yet; a slower one is cut off and lists again. */
const maxBufferedBytes = 16 * 1024 * 1024;
const maxWatches = 1_000;

/** The watches that are open. */
export class Watches {
  private readonly open = new Set<() => void>();

  constructor(private readonly store: ObjectStore) {}

  /**
   * Streams events until the time is over or the client goes.
   * @throws ApiStatus before anything is sent
   */
  serve(response: ServerResponse, { type, selects, after, bookmarks, timeoutSeconds, show }: WatchOptions): void {
    if (this.open.size >= maxWatches)
      throw new ApiStatus(429, 'TooManyRequests', 'too many watches, please try again later');
    const missed = after === undefined ? this.store.list(type).map(added) : this.store.eventsAfter(type, after);
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();

    const write = (event: object) => {
      response.write(`${JSON.stringify(event)}\n`);
      if (response.writableLength > maxBufferedBytes) end();
    };
    const send = (event: StoreEvent) => {
      const seen = selected(event, selects);
      if (seen !== undefined) write({ type: seen, object: show(event.object) });
    };
    const bookmark = () => {
      const metadata = { resourceVersion: String(this.store.resourceVersion) };
      write({ type: 'BOOKMARK', object: { apiVersion: apiVersionOf(type), kind: type.kind, metadata } });
    };
    const stopListening = this.store.listen(type, send);
    const bookmarking = setInterval(() => bookmarks && bookmark(), bookmarkMs);
    const timeout = setTimeout(() => {
      if (bookmarks) bookmark();
      end();
    }, timeoutSeconds * 1000);
    const end = () => {
      stopListening();
      clearInterval(bookmarking);
      clearTimeout(timeout);
      this.open.delete(end);
      response.end();
    };
    this.open.add(end);
    response.once('close', end);
    for (const event of missed) send(event);
  }

  endAll(): void {
    for (const end of this.open) end();
  }
}

function added(object: KubernetesObject): StoreEvent {
  return { type: 'ADDED', object, resourceVersion: 0 };
}

/** What a watcher with a selector sees: an object that comes into it is added, one that leaves it is deleted. */
function selected({ type, object, before }: StoreEvent, selects: Selector): StoreEvent['type'] | undefined {
  const isIn = selects(object);
  const wasIn = before !== undefined && selects(before);
  if (type === 'DELETED') return wasIn ? 'DELETED' : undefined;
  if (isIn) return type === 'ADDED' || wasIn ? type : 'ADDED';
  return wasIn ? 'DELETED' : undefined;
}
