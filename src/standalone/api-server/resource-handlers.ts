import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../../clock';
import { alreadyExists, badRequest, conflict, invalid, notFound, terminatingNamespace } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import { asObject, checkSize, metadataViolations } from './object-rules';
import type { ObjectStore } from './object-store';
import { patched } from './patches';
import { crdType, namespaceType, typesOf, type ResourceType } from './resource-types';
import { equal, prune, transitionViolations, violations } from './structural-schema';

export interface Target {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

export interface WriteOptions {
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  readonly dryRun: boolean;
}

export interface Written {
  readonly object: KubernetesObject;
  /** For the `Warning` headers of the answer. */
  readonly warnings: readonly string[];
}

/** Create, update, patch and delete, the same for every resource. Refusals are `ApiStatus`. */
export class ResourceHandlers {
  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    /** Told when a CRD is there, or gone. */
    private readonly onCrdChange: () => void,
    private readonly servedTypes: () => readonly ResourceType[],
  ) {}

  create({ type, namespace }: Target, body: unknown, options: WriteOptions): Written {
    const given = asObject(body, type);
    if (given.metadata.namespace !== undefined && given.metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    const name =
      given.metadata.name ??
      (given.metadata.generateName
        ? `${given.metadata.generateName}${randomBytes(3).toString('hex').slice(0, 5)}`
        : '');
    if (type.namespaced) this.requireNamespace(type, namespace ?? '', name);
    if (this.store.get(type, namespace, name) !== undefined) throw alreadyExists(type, name);
    const fresh: KubernetesObject = {
      ...given,
      metadata: {
        ...withoutSystemFields(given.metadata),
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: randomUUID(),
        creationTimestamp: this.timestamp(),
        generation: 1,
      },
    };
    if (type.hasStatus) delete fresh.status;
    if (type === namespaceType) fresh.status = { phase: 'Active' };
    const { object, warnings } = this.admitted(type, fresh, undefined, options);
    const established = type === crdType ? withEstablished(object, this.timestamp()) : object;
    return { object: this.save(type, established, options), warnings };
  }

  get({ type, namespace, name = '' }: Target): KubernetesObject {
    const object = this.store.get(type, namespace, name);
    if (object === undefined) throw notFound(type, name);
    return object;
  }

  update(target: Target, body: unknown, options: WriteOptions): Written {
    return this.replace(target, asObject(body, target.type), options);
  }

  patch(target: Target, patch: unknown, contentType: string, options: WriteOptions): Written {
    const current = this.get(target);
    const wanted = asObject(
      patched(structuredClone(current), patch, contentType, target.type.schema !== undefined),
      target.type,
    );
    // Without a version of its own a patch applies to whatever is there now.
    return this.replace(target, wanted, options);
  }

  /** Deletes at once, or marks as terminating what has finalizers. */
  delete(target: Target, body: unknown): KubernetesObject {
    const { type } = target;
    const current = this.get(target);
    const expectedUid = (body as { preconditions?: { uid?: string } } | undefined)?.preconditions?.uid;
    if (expectedUid !== undefined && expectedUid !== current.metadata.uid) throw conflict(type, target.name ?? '');
    const blocked = (current.metadata.finalizers ?? []).length > 0;
    if (blocked) {
      if (current.metadata.deletionTimestamp !== undefined) return current;
      const marked = { ...current, metadata: { ...current.metadata, deletionTimestamp: this.timestamp() } };
      return this.store.put(type, type === namespaceType ? { ...marked, status: { phase: 'Terminating' } } : marked);
    }
    return this.finish(type, current);
  }

  private replace(
    { type, namespace, name = '', subresource }: Target,
    wanted: KubernetesObject,
    options: WriteOptions,
  ): Written {
    const current = this.get({ type, name, ...(namespace === undefined ? {} : { namespace }) });
    if (wanted.metadata.name !== undefined && wanted.metadata.name !== name)
      throw badRequest('the name of the object does not match the name on the URL');
    const version = wanted.metadata.resourceVersion;
    if (version !== undefined && version !== '' && version !== current.metadata.resourceVersion)
      throw conflict(type, name);
    const next =
      subresource === 'status'
        ? { ...current, status: wanted.status }
        : this.withoutStatusChange(type, wanted, current);
    if (next.status === undefined) delete next.status;
    const { object, warnings } = this.admitted(type, next, current, options);
    if (
      equal(
        { ...object, metadata: { ...object.metadata, generation: 0 } },
        { ...current, metadata: { ...current.metadata, generation: 0 } },
      )
    ) {
      return { object: current, warnings };
    }
    if (object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0) {
      return { object: this.finish(type, object), warnings };
    }
    return { object: this.save(type, object, options), warnings };
  }

  /** What the main resource may change: everything but the status and what the system writes. */
  private withoutStatusChange(
    type: ResourceType,
    wanted: KubernetesObject,
    current: KubernetesObject,
  ): KubernetesObject {
    const {
      uid,
      creationTimestamp,
      deletionTimestamp,
      namespace,
      resourceVersion,
      generation = 1,
      name,
    } = current.metadata;
    const { status: _status, metadata: _metadata, ...content } = wanted;
    const { status: _before, metadata: _of, ...previous } = current;
    return {
      ...wanted,
      ...(type.hasStatus ? { status: current.status } : {}),
      metadata: {
        ...withoutSystemFields(wanted.metadata),
        ...defined({ name, namespace, uid, creationTimestamp, deletionTimestamp, resourceVersion }),
        generation: equal(content, previous) ? generation : generation + 1,
      },
    };
  }

  /** Validates and prunes. @throws ApiStatus */
  private admitted(
    type: ResourceType,
    object: KubernetesObject,
    before: KubernetesObject | undefined,
    options: WriteOptions,
  ): Written {
    const name = object.metadata.name ?? '';
    const causes = metadataViolations(type, object);
    let unknown: string[] = [];
    const { schema } = type;
    if (schema !== undefined) {
      object = structuredClone(object);
      unknown = prune(object, schema);
      if (unknown.length > 0 && options.fieldValidation === 'Strict') {
        throw badRequest(
          `${type.kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: strict decoding error: ${unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ')}`,
        );
      }
      causes.push(...violations(object, schema));
      if (before !== undefined) causes.push(...transitionViolations(object, before, schema));
    }
    if (causes.length > 0) throw invalid(type, name, causes);
    if (type === crdType) typesOf(object);
    checkSize(type, object);
    return {
      object,
      warnings:
        options.fieldValidation === 'Warn' ? unknown.map((path) => `unknown field ${JSON.stringify(path)}`) : [],
    };
  }

  private save(type: ResourceType, object: KubernetesObject, { dryRun }: WriteOptions): KubernetesObject {
    if (dryRun) return object;
    const stored = this.store.put(type, object);
    if (type === crdType) this.onCrdChange();
    return stored;
  }

  /** Removes an object; a namespace takes what is in it along. */
  private finish(type: ResourceType, object: KubernetesObject): KubernetesObject {
    const removed = this.store.remove(type, object);
    if (type === crdType) this.onCrdChange();
    if (type === namespaceType) this.empty(object.metadata.name ?? '');
    return removed;
  }

  private empty(namespace: string): void {
    for (const type of this.servedTypes()) {
      if (!type.namespaced) continue;
      for (const object of this.store.list(type))
        if (object.metadata.namespace === namespace) this.store.remove(type, object);
    }
  }

  private requireNamespace(type: ResourceType, namespace: string, name: string): void {
    const found = this.store.get(namespaceType, undefined, namespace);
    if (found === undefined) throw notFound(namespaceType, namespace);
    if (found.metadata.deletionTimestamp !== undefined) throw terminatingNamespace(type, name, namespace);
  }

  private timestamp(): string {
    return new Date(this.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

function withoutSystemFields(metadata: KubernetesObject['metadata']): KubernetesObject['metadata'] {
  const {
    uid: _uid,
    resourceVersion: _version,
    creationTimestamp: _created,
    deletionTimestamp: _deleted,
    generation: _generation,
    ...rest
  } = metadata;
  return rest;
}

function defined<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function withEstablished(crd: KubernetesObject, time: string): KubernetesObject {
  const conditions = ['NamesAccepted', 'Established'].map((type) => ({
    type,
    status: 'True',
    reason: 'NoConflicts',
    message: '',
    lastTransitionTime: time,
  }));
  return { ...crd, status: { conditions } };
}
