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
/** A watch gets its last bookmark this long before its time is over, as from the real server. */
const lastBookmarkMs = 2_000;
/** Of what a client has not read yet; a slower one is cut off and lists again. */
const maxBufferedBytes = 16 * 1024 * 1024;
const maxWatches = 1_000;

/** The watches that are open. */
export class Watches {
  private readonly open = new Map<() => void, ResourceType>();

  constructor(private readonly store: ObjectStore) {}

  /**
   * Streams events until the time is over or the client goes.
   * @throws ApiStatus before anything is sent
   */
  serve(response: ServerResponse, { type, selects, after, bookmarks, timeoutSeconds, show }: WatchOptions): void {
    if (this.open.size >= maxWatches)
      throw new ApiStatus(429, 'TooManyRequests', 'too many watches, please try again later');
    const missed = this.missed(type, after);
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    if (missed instanceof ApiStatus) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: missed })}\n`);
      return;
    }

    const write = (event: object) => {
      // Cut off in the midst of what it begins with.
      if (response.writableEnded) return;
      response.write(`${JSON.stringify(event)}\n`);
      if (response.writableLength > maxBufferedBytes) end();
    };
    const send = (event: StoreEvent) => {
      const seen = selected(event, selects);
      if (seen !== undefined) write({ type: seen, object: show(event.object) });
    };
    // The real server repeats no version that a watch began with. In a cluster versions always move on, leases see to
    // that; here nothing may happen for long, and a client that takes bookmarks for a sign of life still gets them.
    const bookmark = () => {
      if (!bookmarks) return;
      const metadata = { resourceVersion: String(this.store.resourceVersion) };
      write({ type: 'BOOKMARK', object: { apiVersion: apiVersionOf(type), kind: type.kind, metadata } });
    };
    const stopListening = this.store.listen(type, send);
    const bookmarking = setInterval(bookmark, bookmarkMs);
    const lastBookmark = setTimeout(bookmark, Math.max(0, timeoutSeconds * 1000 - lastBookmarkMs));
    const timeout = setTimeout(() => end(), timeoutSeconds * 1000);
    const end = () => {
      stopListening();
      clearInterval(bookmarking);
      clearTimeout(lastBookmark);
      clearTimeout(timeout);
      this.open.delete(end);
      response.end();
    };
    this.open.set(end, type);
    response.once('close', end);
    for (const event of missed) send(event);
  }

  /** Ends the watches of a resource that is served no more. */
  endOf({ group, plural }: ResourceType): void {
    for (const [end, type] of this.open) if (type.group === group && type.plural === plural) end();
  }

  endAll(): void {
    for (const end of this.open.keys()) end();
  }

  /** What a watch begins with; a refusal when what came after that version is forgotten. */
  private missed(type: ResourceType, after: number | undefined): StoreEvent[] | ApiStatus {
    try {
      return after === undefined ? this.store.list(type).map(added) : this.store.eventsAfter(type, after);
    } catch (error) {
      if (error instanceof ApiStatus) return error;
      throw error;
    }
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
