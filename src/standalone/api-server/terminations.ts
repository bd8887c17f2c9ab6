import type { KubernetesObject } from './kubernetes-object';
import type { ObjectStore } from './object-store';
import { crdType, namespaceType, typesOf, type ResourceType } from './resource-types';

/** What the namespace controller takes away when a namespace is empty. */
const namespaceFinalizer = 'kubernetes';
const crdFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** Does the work of the controllers that end what holds others: a namespace, or a CRD, is gone when nothing of it is left. */
export class Terminations {
  constructor(
    private readonly store: ObjectStore,
    private readonly servedTypes: () => readonly ResourceType[],
    private readonly deleteObject: (type: ResourceType, object: KubernetesObject) => void,
    private readonly onCrdGone: (types: readonly ResourceType[]) => void,
  ) {}

  /** What is to be stored of an object when its deletion begins. */
  marked(type: ResourceType, object: KubernetesObject, time: string): KubernetesObject {
    const metadata = { ...object.metadata, deletionTimestamp: time };
    if (type === namespaceType) return { ...object, metadata, status: { phase: 'Terminating' } };
    if (type !== crdType) return { ...object, metadata };
    return { ...object, metadata: { ...metadata, finalizers: [...(metadata.finalizers ?? []), crdFinalizer] } };
  }

  /** Deletes what a namespace or a CRD holds, and that itself when nothing of it stays. */
  begin(type: ResourceType, holder: KubernetesObject): void {
    const { name = '' } = holder.metadata;
    const held = type === namespaceType ? this.contentsOf(name) : this.instancesOf(name);
    for (const [heldType, object] of held) this.deleteObject(heldType, object);
    this.resume(type, holder);
  }

  /** Looks again whether a namespace or a CRD can go, for instance because it lost a finalizer. */
  resume(type: ResourceType, { metadata: { name = '' } }: KubernetesObject): void {
    if (type === namespaceType) this.settleNamespace(name);
    else if (type === crdType) this.settleCrd(name);
  }

  /** Looks whether an object was the last one that something waited for. */
  settle({ custom, plural, group }: ResourceType, { metadata: { namespace } }: KubernetesObject): void {
    if (namespace !== undefined) this.settleNamespace(namespace);
    if (custom) this.settleCrd(`${plural}.${group}`);
  }

  isCrdTerminating({ custom, plural, group }: ResourceType): boolean {
    if (!custom) return false;
    return this.store.get(crdType, undefined, `${plural}.${group}`)?.metadata.deletionTimestamp !== undefined;
  }

  private settleNamespace(name: string): void {
    const namespace = this.store.get(namespaceType, undefined, name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    const { finalizers = [] } = (namespace.spec ?? {}) as { finalizers?: readonly string[] };
    const holds = [...(namespace.metadata.finalizers ?? []), ...finalizers.filter((one) => one !== namespaceFinalizer)];
    if (holds.length === 0 && this.contentsOf(name).length === 0) this.store.remove(namespaceType, namespace);
  }

  private settleCrd(name: string): void {
    const crd = this.store.get(crdType, undefined, name);
    if (crd?.metadata.deletionTimestamp === undefined) return;
    const holds = (crd.metadata.finalizers ?? []).filter((one) => one !== crdFinalizer);
    if (holds.length > 0 || this.instancesOf(name).length > 0) return;
    this.store.remove(crdType, crd);
    this.onCrdGone(typesOf(crd));
  }

  /** Of one version, as all are stored together. */
  private instancesOf(crdName: string): [ResourceType, KubernetesObject][] {
    const crd = this.store.get(crdType, undefined, crdName);
    const [type] = crd === undefined ? [] : typesOf(crd);
    return type === undefined ? [] : this.store.list(type).map((object) => [type, object]);
  }

  /** Each resource once, though it may be served in several versions. */
  private contentsOf(namespace: string): [ResourceType, KubernetesObject][] {
    const types = new Map(this.servedTypes().map((type) => [`${type.group}/${type.plural}`, type]));
    return [...types.values()]
      .filter(({ namespaced }) => namespaced)
      .flatMap((type) =>
        this.store
          .list(type)
          .filter(({ metadata }) => metadata.namespace === namespace)
          .map((object): [ResourceType, KubernetesObject] => [type, object]),
      );
  }
}

/** As a new namespace is stored: with the label that selectors by name need. */
export function newNamespace(given: KubernetesObject): KubernetesObject {
  const { finalizers = [] } = (given.spec ?? {}) as { finalizers?: readonly string[] };
  return {
    ...labelledNamespace(given),
    spec: { finalizers: [...new Set([...finalizers, namespaceFinalizer])] },
    status: { phase: 'Active' },
  };
}

export function labelledNamespace(namespace: KubernetesObject): KubernetesObject {
  const { metadata } = namespace;
  const labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name ?? '' };
  return { ...namespace, metadata: { ...metadata, labels } };
}
