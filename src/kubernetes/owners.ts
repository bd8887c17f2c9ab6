import { beforeDeadline, deadlineIn } from '../deadline';
import { dnsName } from '../dns-names';
import type { LogSink } from '../logging/log-sink';
import { Places } from '../places';
import { recentlyUsed } from '../recently-used';
import type { TargetResource } from '../signal/target-resource';
import type { KubernetesApi } from './kubernetes-api';
import { isFailure } from './kubernetes-api.error';
import { WatchCache, type WatchedObject } from './watch-cache';

/** Who controls an object; `none` for one that nobody does. */
type Controller = TargetResource | 'none';

/** How an owner was found out, for who counts it. */
export interface Ownership {
  /** The workload at the top; absent when nobody owns the object, or that could not be found out. */
  readonly owner?: TargetResource;
  readonly by: 'watch' | 'read' | 'memory' | 'name' | 'nothing';
}

/** Kinds that somebody else may control, and where they are. What owns them is a workload, or controls itself. */
const followed = {
  Pod: { group: '', path: '/api/v1', plural: 'pods' },
  ReplicaSet: { group: 'apps', path: '/apis/apps/v1', plural: 'replicasets' },
  Job: { group: 'batch', path: '/apis/batch/v1', plural: 'jobs' },
} as const;
type FollowedKind = keyof typeof followed;

/** From a pod to a CronJob they are two. Nobody checks that owners are no circle: a pod may name itself. */
const maxSteps = 5;
const maxRemembered = 20_000;
/** A read is shared by all who ask meanwhile: it has the time of a call, not that of one of them. Milliseconds. */
const readMs = 2_000;
/** An object that is not there is not asked for again for this long. Milliseconds. */
const absentMs = 30_000;
const readsInFlight = 16;
/** Further ones are not worth waiting for: an object stands for itself then. */
const maxWaiting = 500;
const generatedSuffix = /-[a-z0-9]{5}$/;

/**
 * Finds the workload that an object belongs to: Pod → ReplicaSet → Deployment, Pod → StatefulSet or DaemonSet, Pod → Job →
 * CronJob.
 *
 * Pods, ReplicaSets and Jobs are watched, by their metadata alone; what the watch does not show is read once. An alert often
 * outlives its pod, so owners are remembered, and a pod that was never seen belongs to the ReplicaSet or the Job that it is
 * named after.
 */
export class Owners {
  readonly caches: Readonly<Record<FollowedKind, WatchCache<Controller>>>;
  private readonly remembered = recentlyUsed<string, TargetResource>(maxRemembered);
  private readonly absent = recentlyUsed<string, true>(maxRemembered, { ttl: absentMs });
  private readonly reading = new Map<string, Promise<Controller | undefined>>();
  private readonly places = new Places(readsInFlight);

  constructor(
    private readonly api: KubernetesApi,
    log: LogSink,
  ) {
    const watched = (kind: FollowedKind) =>
      new WatchCache<Controller>({ api, path: collection(kind), metadataOnly: true, keep: controllerOf, log });
    this.caches = { Pod: watched('Pod'), ReplicaSet: watched('ReplicaSet'), Job: watched('Job') };
  }

  get rememberedCount(): number {
    return this.remembered.size;
  }

  /** By what is watched alone; `undefined` when that does not tell. */
  peek(namespace: string, resource: TargetResource): Ownership | undefined {
    const owner = this.topOf(namespace, resource);
    return owner && this.found(namespace, resource, owner, 'watch');
  }

  private topOf(namespace: string, resource: TargetResource): TargetResource | undefined {
    let owner = resource;
    for (let step = 0; isFollowed(owner); step++) {
      if (step === maxSteps) return resource;
      const controller = this.caches[owner.kind].get(namespace, owner.name);
      if (controller === undefined) return undefined;
      if (controller === 'none') break;
      owner = controller;
    }
    return owner;
  }

  /** Never rejects: what cannot be found out is an answer too. */
  async find(namespace: string, resource: TargetResource, deadline: AbortSignal): Promise<Ownership> {
    try {
      await this.whenListed(deadline);
      const known = this.peek(namespace, resource);
      if (known !== undefined) return known;
      let owner = resource;
      for (let step = 0; isFollowed(owner); step++) {
        if (step === maxSteps) return { by: 'nothing' };
        const controller =
          this.caches[owner.kind].get(namespace, owner.name) ??
          (await this.read(owner.kind, namespace, owner.name, deadline));
        if (controller === undefined) return this.ofAbsent(namespace, resource, owner);
        if (controller === 'none') break;
        owner = controller;
      }
      return this.found(namespace, resource, owner, 'read');
    } catch {
      return this.ofAbsent(namespace, resource, resource);
    }
  }

  /**
   * Whether what is watched has been listed, as far as it can be. Before that an incident might be told apart by its object, and
   * by its owner a moment later.
   */
  get synced(): boolean {
    return Object.values(this.caches).every(({ synced, failing }) => synced || failing);
  }

  /** Whether the last attempt to list or watch any of it failed. */
  get failing(): boolean {
    return Object.values(this.caches).some(({ failing }) => failing);
  }

  private async whenListed(deadline: AbortSignal): Promise<void> {
    const coming = Object.values(this.caches).filter(({ failing }) => !failing);
    await Promise.all(coming.map((cache) => cache.whenSynced(deadline)));
  }

  private found(namespace: string, resource: TargetResource, owner: TargetResource, by: Ownership['by']): Ownership {
    if (owner === resource) return { by };
    this.remembered.set(keyOf(resource.kind, namespace, resource.name), owner);
    return { owner, by };
  }

  /** @param reached how far up the way led */
  private ofAbsent(namespace: string, resource: TargetResource, reached: TargetResource): Ownership {
    const before = this.remembered.get(keyOf(resource.kind, namespace, resource.name));
    if (before !== undefined) return { owner: before, by: 'memory' };
    if (reached !== resource) return { owner: reached, by: 'read' };
    const named = resource.kind === 'Pod' ? this.namesake(namespace, resource.name) : undefined;
    return named === undefined ? { by: 'nothing' } : this.found(namespace, resource, named, 'name');
  }

  /** The workload of a pod that is gone, by the ReplicaSet or Job that gave it its name. */
  private namesake(namespace: string, pod: string): TargetResource | undefined {
    const name = pod.replace(generatedSuffix, '');
    if (name === pod) return undefined;
    for (const [kind, apiVersion] of [
      ['ReplicaSet', 'apps/v1'],
      ['Job', 'batch/v1'],
    ] as const) {
      if (this.caches[kind].get(namespace, name) !== undefined)
        return this.topOf(namespace, { kind, name, apiVersion });
    }
    return undefined;
  }

  /** Once for many that ask at the same time. `undefined`: there is no such object. */
  private read(
    kind: FollowedKind,
    namespace: string,
    name: string,
    deadline: AbortSignal,
  ): Promise<Controller | undefined> {
    const key = keyOf(kind, namespace, name);
    // Names come from senders, and go into a path.
    if (this.absent.has(key) || !dnsName.test(namespace) || !dnsName.test(name)) return Promise.resolve(undefined);
    let running = this.reading.get(key);
    if (running === undefined && this.places.waitingCount >= maxWaiting)
      return Promise.reject(new Error('too many owners are being read'));
    running ??= this.ask(kind, namespace, name, key);
    this.reading.set(key, running);
    return beforeDeadline(running, deadline);
  }

  private async ask(kind: FollowedKind, namespace: string, name: string, key: string): Promise<Controller | undefined> {
    const due = deadlineIn(readMs);
    const { path: root, plural } = followed[kind];
    try {
      const path = `${root}/namespaces/${namespace}/${plural}/${name}`;
      const get = () => this.api.call<WatchedObject>('GET', path, { signal: due.signal, repeat: false });
      return controllerOf(await this.places.run(get, due.signal));
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error;
      this.absent.set(key, true);
      return undefined;
    } finally {
      due.clear();
      this.reading.delete(key);
    }
  }
}

/** Others have kinds of these names as well: their API group tells them apart, where it is said. */
function isFollowed(resource: TargetResource): resource is TargetResource & { readonly kind: FollowedKind } {
  const { kind, apiVersion } = resource;
  if (!Object.hasOwn(followed, kind)) return false;
  return apiVersion === undefined || followed[kind as FollowedKind].group === groupOf(apiVersion);
}

/** Empty for the core group, of which an API version is its version alone. */
function groupOf(apiVersion: string): string {
  const end = apiVersion.indexOf('/');
  return end === -1 ? '' : apiVersion.slice(0, end);
}

function collection(kind: FollowedKind): string {
  const { path, plural } = followed[kind];
  return `${path}/${plural}`;
}

function controllerOf({ metadata }: WatchedObject): Controller {
  const controller = metadata?.ownerReferences?.find((reference) => reference.controller);
  // The node of a static pod runs it, but is no workload.
  if (controller === undefined || controller.kind === 'Node') return 'none';
  const { kind, name, apiVersion } = controller;
  return { kind, name, apiVersion };
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
