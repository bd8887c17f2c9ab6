import { expired } from './api-status';
import { keyOf, type KubernetesObject } from './kubernetes-object';
import type { ObjectFiles } from './object-files';
import type { ResourceType } from './resource-types';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubernetesObject;
  /** What the object was before, so that a watch can tell that it left its selector. */
  readonly before?: KubernetesObject;
  readonly resourceVersion: number;
}

export type Listener = (event: StoreEvent) => void;

interface Collection {
  readonly objects: Map<string, KubernetesObject>;
  readonly history: StoreEvent[];
  readonly listeners: Set<Listener>;
  /** Events up to this one are forgotten. */
  forgottenUpTo: number;
}

const maxHistory = 2_000;

/** The objects of every resource, their versions, and who watches them. Objects are never changed in place. */
export class ObjectStore {
  private readonly collections = new Map<string, Collection>();
  private version: number;

  /** @param startVersion the highest version that was ever given out */
  constructor(
    startVersion: number,
    private readonly files?: ObjectFiles,
  ) {
    this.version = startVersion;
  }

  get resourceVersion(): number {
    return this.version;
  }

  get(type: ResourceType, namespace: string | undefined, name: string): KubernetesObject | undefined {
    return this.collection(type).objects.get(keyOf(namespace, name));
  }

  /** In the order of their keys, as the API server lists. */
  list(type: ResourceType): KubernetesObject[] {
    const { objects } = this.collection(type);
    return [...objects.keys()].sort().flatMap((key) => objects.get(key) ?? []);
  }

  /** Takes an object that was there before this process. */
  restore(type: ResourceType, object: KubernetesObject): void {
    this.collection(type).objects.set(keyOf(object.metadata.namespace, object.metadata.name ?? ''), object);
  }

  /** Stores a new version of an object and answers it; it is in its file before anybody hears of it. */
  put(type: ResourceType, object: KubernetesObject): KubernetesObject {
    const collection = this.collection(type);
    const key = keyOf(object.metadata.namespace, object.metadata.name ?? '');
    const before = collection.objects.get(key);
    const stored = this.versioned(object);
    this.files?.write(type, stored);
    collection.objects.set(key, stored);
    this.publish(collection, {
      type: before === undefined ? 'ADDED' : 'MODIFIED',
      object: stored,
      ...(before ? { before } : {}),
      resourceVersion: this.version,
    });
    return stored;
  }

  remove(type: ResourceType, object: KubernetesObject): KubernetesObject {
    const collection = this.collection(type);
    const removed = this.versioned(object);
    this.files?.remove(type, object);
    collection.objects.delete(keyOf(object.metadata.namespace, object.metadata.name ?? ''));
    this.publish(collection, { type: 'DELETED', object: removed, before: object, resourceVersion: this.version });
    return removed;
  }

  /**
   * What happened after a version.
   * @throws ApiStatus 410 when that is forgotten
   */
  eventsAfter(type: ResourceType, version: number): StoreEvent[] {
    const { history, forgottenUpTo } = this.collection(type);
    if (version < forgottenUpTo) throw expired(version, forgottenUpTo);
    return history.filter(({ resourceVersion }) => resourceVersion > version);
  }

  /** Begins the history of a resource: what was before it is not known. */
  begin(type: ResourceType): void {
    this.collection(type);
  }

  /** Forgets a resource that is served no more. */
  forget(type: ResourceType): void {
    this.collections.delete(keyOfCollection(type));
  }

  listen(type: ResourceType, listener: Listener): () => void {
    const { listeners } = this.collection(type);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  private versioned(object: KubernetesObject): KubernetesObject {
    this.version += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
  }

  private publish(collection: Collection, event: StoreEvent): void {
    collection.history.push(event);
    if (collection.history.length > 2 * maxHistory) {
      const dropped = collection.history.splice(0, maxHistory);
      collection.forgottenUpTo = dropped.at(-1)?.resourceVersion ?? collection.forgottenUpTo;
    }
    for (const listener of collection.listeners) listener(event);
  }

  private collection(type: ResourceType): Collection {
    const key = keyOfCollection(type);
    let collection = this.collections.get(key);
    if (collection === undefined) {
      // What happened before this process is in no history.
      collection = { objects: new Map(), history: [], listeners: new Set(), forgottenUpTo: this.version };
      this.collections.set(key, collection);
    }
    return collection;
  }
}

function keyOfCollection({ group, plural }: ResourceType): string {
  return `${group}/${plural}`;
}
