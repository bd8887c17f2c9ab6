import type { V1ObjectMeta } from '@kubernetes/client-node';
import { beforeDeadline } from '../deadline';
import { messageOf } from '../error-message';
import type { LogSink } from '../logging/log-sink';
import { jittered, pause } from '../pause';
import type { KubernetesApi } from './kubernetes-api';
import { isFailure, toKubernetesApiError } from './kubernetes-api.error';
import { metadataTypes } from './metadata-types';
import { ObjectMap } from './object-map';
import { takeLines, watchSeconds, watchSilenceMs, type WatchEvent } from './watch-stream';

export interface WatchedObject {
  readonly metadata?: V1ObjectMeta;
}

export interface WatchCacheOptions<Entry> {
  readonly api: KubernetesApi;
  /** Collection path, e.g. `/api/v1/namespaces`. */
  readonly path: string;
  /** Selectors that go with list and watch, e.g. `{fieldSelector: 'metadata.name=x'}`. */
  readonly selectors?: Readonly<Record<string, string>>;
  /** Whether nothing but the metadata of objects is asked for. */
  readonly metadataOnly?: boolean;
  /** What is kept of an object: as little as its readers need. `before` is what was kept of it until now. */
  readonly keep: (object: WatchedObject, before: Entry | undefined) => Entry;
  readonly log: LogSink;
}

interface ListPage {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  /** `null` where there are none, when only metadata is asked for. */
  readonly items: readonly WatchedObject[] | null;
}

interface Known<Entry> {
  readonly entry: Entry;
  readonly version: number;
}

/** Objects may be 256 KiB each: a page of them is held in memory while it is read. */
const pageSize = 100;
const metadataPageSize = 1_000;
const listTimeoutMs = 10_000;
/** Servers send a bookmark about once a minute; one that is silent for longer may have stopped. */
const believedForMs = 90_000;
const firstBackOffMs = 200;
const maxBackOffMs = 10_000;

/**
 * A local copy of a collection, kept by list and watch.
 *
 * It goes on after every error: a dropped watch from where it was; by a new list after a 410, and when it fails again
 * without an event in between, for then the place itself may be what is wrong. While it cannot, its readers get what was
 * last known. Before the first list it knows nothing, and `synced` says so: absence then means nothing.
 */
export class WatchCache<Entry> {
  private objects = new ObjectMap<Known<Entry>>();
  private resourceVersion = '';
  private readonly stopping = new AbortController();
  private readonly firstSync = Promise.withResolvers<void>();
  private running: Promise<void> | undefined;
  private lastHeardAt = 0;
  /** Failures in a row, without an event in between. */
  private failures = 0;
  /** Whether the first list has been read. */
  synced = false;
  /** Whether the last attempt to list or watch failed. */
  failing = false;

  constructor(private readonly options: WatchCacheOptions<Entry>) {}

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** @param namespace empty for what is in none */
  get(namespace: string, name: string): Entry | undefined {
    return this.objects.get(namespace, name)?.entry;
  }

  *values(): IterableIterator<Entry> {
    for (const [, , { entry }] of this.objects.entries()) yield entry;
  }

  get size(): number {
    return this.objects.size;
  }

  /** Whether what it shows can be believed now: listed once, not interrupted, and heard of within the time of a bookmark. */
  get trusted(): boolean {
    return this.synced && !this.failing && this.silentForMs < believedForMs;
  }

  /** Milliseconds since the server was last heard of; bookmarks count. */
  get silentForMs(): number {
    return performance.now() - this.lastHeardAt;
  }

  /** Called for every change, `undefined` for what is gone. Set by those who keep an index. */
  onChange: (entry: Entry | undefined, previous: Entry | undefined) => void = () => undefined;

  /** Resolves after the first list, at once when that is done; rejects when `signal` aborts first. */
  async whenSynced(signal: AbortSignal): Promise<void> {
    if (this.synced) return;
    await beforeDeadline(this.firstSync.promise, signal);
  }

  /**
   * Takes an object that a call of ours was answered with before the watch shows it; not when the watch is past that
   * version, for then it has shown it, or even that it was deleted. Answers what is kept of it.
   */
  observe(object: WatchedObject): Entry {
    const before = this.known(object);
    const version = versionOf(object);
    // The watch was sooner, and shows the whole of it.
    if (before?.version === version) return before.entry;
    const entry = this.options.keep(object, before?.entry);
    const isAhead = this.resourceVersion !== '' && version > Number(this.resourceVersion);
    if (isAhead && !isOlder(version, before)) this.put(object, entry, version, before);
    return entry;
  }

  private async run(): Promise<void> {
    while (!this.isStopped()) {
      try {
        if (this.resourceVersion === '') await this.list();
        await this.watch();
        this.failures = 0;
        await pause(jittered(firstBackOffMs), this.stopping.signal);
      } catch (error) {
        if (this.isStopped()) return;
        this.failures++;
        if (isFailure(error, 'expired') || this.failures > 1) this.resourceVersion = '';
        this.report(error);
        const backOffMs = Math.min(firstBackOffMs * 2 ** (this.failures - 1), maxBackOffMs);
        await pause(jittered(backOffMs), this.stopping.signal);
      }
    }
  }

  private async list(): Promise<void> {
    const found = new ObjectMap<Known<Entry>>();
    let page: ListPage;
    let token: string | undefined;
    do {
      const limit = String(this.options.metadataOnly === true ? metadataPageSize : pageSize);
      const query = { ...this.options.selectors, limit, ...(token ? { continue: token } : {}) };
      page = await this.options.api.call('GET', this.url(query), {
        signal: this.stopping.signal,
        timeoutMs: listTimeoutMs,
        repeat: false,
        ...this.accept('list'),
      });
      for (const object of page.items ?? []) {
        const entry = this.options.keep(object, this.known(object)?.entry);
        found.set(namespaceOf(object), nameOf(object), { entry, version: versionOf(object) });
      }
      token = page.metadata.continue;
    } while (token);
    const previous = this.objects;
    this.objects = found;
    for (const [namespace, name, { entry }] of found.entries())
      this.onChange(entry, previous.get(namespace, name)?.entry);
    for (const [namespace, name, { entry }] of previous.entries())
      if (found.get(namespace, name) === undefined) this.onChange(undefined, entry);
    this.resourceVersion = page.metadata.resourceVersion ?? '';
    this.synced = true;
    this.firstSync.resolve();
    this.heard();
  }

  private async watch(): Promise<void> {
    const ended = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, ended.signal]);
    const silence = setTimeout(() => ended.abort(new Error('the watch fell silent')), watchSilenceMs).unref();
    try {
      const query = {
        ...this.options.selectors,
        watch: 'true',
        resourceVersion: this.resourceVersion,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(watchSeconds),
      };
      const stream = await this.options.api.stream(this.url(query), signal, this.accept('object'));
      this.heard();
      await takeLines(stream, (lines) => {
        silence.refresh();
        for (const line of lines) this.apply(JSON.parse(line) as WatchEvent<WatchedObject>);
        this.heard();
      });
    } finally {
      clearTimeout(silence);
      ended.abort();
    }
  }

  private apply({ type, object }: WatchEvent<WatchedObject>): void {
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        this.set(object);
        break;
      case 'DELETED':
        this.delete(object);
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR':
        throw toKubernetesApiError(object.code ?? 500, JSON.stringify(object));
    }
    this.resourceVersion = object.metadata?.resourceVersion ?? this.resourceVersion;
    this.failures = 0;
  }

  private known(object: WatchedObject): Known<Entry> | undefined {
    return this.objects.get(namespaceOf(object), nameOf(object));
  }

  private set(object: WatchedObject): void {
    const before = this.known(object);
    const version = versionOf(object);
    if (!isOlder(version, before)) this.put(object, this.options.keep(object, before?.entry), version, before);
  }

  private put(object: WatchedObject, entry: Entry, version: number, before: Known<Entry> | undefined): void {
    this.objects.set(namespaceOf(object), nameOf(object), { entry, version });
    this.onChange(entry, before?.entry);
  }

  private delete(object: WatchedObject): void {
    const before = this.known(object);
    // It was made again, and we were answered that before the watch tells of the end of the one before it.
    if (isOlder(versionOf(object), before)) return;
    this.objects.delete(namespaceOf(object), nameOf(object));
    this.onChange(undefined, before?.entry);
  }

  private isStopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private accept(form: keyof typeof metadataTypes): { readonly accept?: string } {
    return this.options.metadataOnly === true ? { accept: metadataTypes[form] } : {};
  }

  private url(query: Readonly<Record<string, string>>): string {
    return `${this.options.path}?${new URLSearchParams(query).toString()}`;
  }

  private heard(): void {
    this.lastHeardAt = performance.now();
    if (this.failing) this.options.log.info({ path: this.options.path }, 'watch recovered');
    this.failing = false;
  }

  /** Once for each outage: a dependency's state is logged on change. */
  private report(error: unknown): void {
    if (this.failing) return;
    this.failing = true;
    const reason = messageOf(error);
    this.options.log.warn({ path: this.options.path, reason }, 'watch interrupted');
  }
}

/** Whether a later version of it is known. Versions of one resource count up (KEP-5504). */
function isOlder(version: number, known: { readonly version: number } | undefined): boolean {
  return version < (known?.version ?? Number.NEGATIVE_INFINITY);
}

/** NaN, which is older than nothing, when it is no number. */
function versionOf({ metadata }: WatchedObject): number {
  return Number(metadata?.resourceVersion ?? Number.NaN);
}

function namespaceOf({ metadata }: WatchedObject): string {
  return metadata?.namespace ?? '';
}

function nameOf({ metadata }: WatchedObject): string {
  return metadata?.name ?? '';
}
