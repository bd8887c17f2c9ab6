import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../../clock';
import {
  alreadyExists,
  ApiStatus,
  badRequest,
  conflict,
  invalid,
  notFound,
  success,
  terminatingNamespace,
} from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import { asObject, checkSize, metadataViolations, pruneMetadata } from './object-rules';
import type { ObjectStore } from './object-store';
import { patched } from './patches';
import { crdType, namespaceType, typesOf, type ResourceType } from './resource-types';
import { equal, prune, transitionViolations, uncheckedRules, violations } from './structural-schema';
import { labelledNamespace, newNamespace, Terminations } from './terminations';

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
  private readonly terminations: Terminations;

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    /** Told when a CRD is there, and when one is gone with what it served. */
    private readonly onCrdChange: (gone: readonly ResourceType[]) => void,
    servedTypes: () => readonly ResourceType[],
  ) {
    this.terminations = new Terminations(
      store,
      servedTypes,
      (type, object) => void this.remove(type, object),
      (types) => this.onCrdChange(types),
    );
  }

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
    if (this.terminations.isCrdTerminating(type)) {
      const why = 'create not allowed while custom resource definition is terminating';
      throw new ApiStatus(405, 'MethodNotAllowed', why, {});
    }
    const fresh: KubernetesObject = {
      ...given,
      metadata: {
        ...withoutSystemFields(given.metadata),
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: randomUUID(),
        creationTimestamp: this.timestamp(),
        ...(hasGeneration(type) ? { generation: 1 } : {}),
      },
    };
    if (type.hasStatus) delete fresh.status;
    const { object, warnings } = this.admitted(
      type,
      type === namespaceType ? newNamespace(fresh) : fresh,
      undefined,
      options,
    );
    const established = type === crdType ? withEstablished(object, this.timestamp()) : object;
    return { object: this.save(type, established, options), warnings };
  }

  get({ type, namespace, name = '' }: Target): KubernetesObject {
    const object = this.store.get(type, namespace, name);
    if (object === undefined) throw notFound(type, name);
    return object;
  }

  update(target: Target, body: unknown, options: WriteOptions): Written {
    const wanted = asObject(body, target.type);
    const { uid } = wanted.metadata;
    if (uid && uid !== this.get(target).metadata.uid) throw conflict(target.type, target.name ?? '');
    return this.replace(target, wanted, options);
  }

  /** @param patch its content, of this type, which is one that the resource takes */
  patch(target: Target, patch: unknown, contentType: string, options: WriteOptions): Written {
    const current = this.get(target);
    const wanted = asObject(patched(structuredClone(current), patch, contentType, target.type.custom), target.type);
    if (wanted.metadata.uid !== current.metadata.uid) {
      const message = `Invalid value: ${JSON.stringify(wanted.metadata.uid ?? '')}: field is immutable`;
      throw invalid(target.type, target.name ?? '', [{ reason: 'FieldValueInvalid', message, field: 'metadata.uid' }]);
    }
    // Without a version of its own a patch applies to whatever is there now.
    return this.replace(target, wanted, options);
  }

  /** Deletes at once, or marks as terminating what has finalizers; answers as the real server does. */
  delete(target: Target, body: unknown, { dryRun }: Pick<WriteOptions, 'dryRun'>): object {
    const { type, name = '' } = target;
    const current = this.get(target);
    const { uid, resourceVersion } =
      (body as { preconditions?: { uid?: string; resourceVersion?: string } } | undefined)?.preconditions ?? {};
    if (uid !== undefined && uid !== current.metadata.uid) throw conflict(type, name);
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion)
      throw conflict(type, name);
    const object = dryRun ? current : this.remove(type, current);
    const stays = object.metadata.deletionTimestamp !== undefined;
    return stays || type.answersDeleted ? object : success(type, name, current.metadata.uid ?? '');
  }

  /** Answers the object as it was removed, or as it stays until its finalizers are gone. */
  remove(type: ResourceType, current: KubernetesObject): KubernetesObject {
    if (!holdsOthers(type) && (current.metadata.finalizers ?? []).length === 0) return this.finish(type, current);
    if (current.metadata.deletionTimestamp !== undefined) return current;
    const marked = this.store.put(type, this.terminations.marked(type, current, this.timestamp()));
    this.terminations.begin(type, marked);
    return marked;
  }

  private replace(
    { type, namespace, name = '', subresource }: Target,
    wanted: KubernetesObject,
    options: WriteOptions,
  ): Written {
    const current = this.get({ type, name, ...(namespace === undefined ? {} : { namespace }) });
    if (wanted.metadata.name !== undefined && wanted.metadata.name !== name)
      throw badRequest(`the name of the object (${wanted.metadata.name}) does not match the name on the URL (${name})`);
    const { resourceVersion: version = '' } = wanted.metadata;
    if (version === '' && type.custom) throw versionMissing(type, name);
    if (version !== '' && version !== current.metadata.resourceVersion) throw conflict(type, name);
    const next = this.wantedParts(type, subresource, wanted, current);
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
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    const isEnding = deletionTimestamp !== undefined && !options.dryRun;
    if (isEnding && finalizers.length === 0 && !holdsOthers(type))
      return { object: this.finish(type, object), warnings };
    const saved = this.save(type, object, options);
    if (isEnding) this.terminations.resume(type, saved);
    return { object: saved, warnings };
  }

  private wantedParts(
    type: ResourceType,
    subresource: string | undefined,
    wanted: KubernetesObject,
    current: KubernetesObject,
  ): KubernetesObject {
    switch (subresource) {
      case 'status':
        return { ...current, status: wanted.status };
      case 'finalize':
        return { ...current, spec: wanted.spec ?? {} };
      default: {
        const next = this.withoutStatusChange(type, wanted, current);
        return type === namespaceType ? { ...labelledNamespace(next), spec: current.spec } : next;
      }
    }
  }

  /** What the main resource may change: everything but the status and what the system writes. */
  private withoutStatusChange(
    type: ResourceType,
    wanted: KubernetesObject,
    current: KubernetesObject,
  ): KubernetesObject {
    const { uid, creationTimestamp, deletionTimestamp, namespace, resourceVersion, generation, name } =
      current.metadata;
    const { status: _status, metadata: _metadata, ...content } = wanted;
    const { status: _before, metadata: _of, ...previous } = current;
    return {
      ...wanted,
      ...(type.hasStatus ? { status: current.status } : {}),
      metadata: {
        ...withoutSystemFields(wanted.metadata),
        ...defined({ name, namespace, uid, creationTimestamp, deletionTimestamp, resourceVersion }),
        ...(generation === undefined ? {} : { generation: equal(content, previous) ? generation : generation + 1 }),
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
    object = structuredClone(object);
    const unknown = pruneMetadata(object);
    const { schema } = type;
    if (schema !== undefined) {
      unknown.push(...prune(object, schema));
      unknown.sort();
      if (unknown.length > 0 && options.fieldValidation === 'Strict') {
        throw badRequest(
          `${type.kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: strict decoding error: ${unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ')}`,
        );
      }
      const broken = violations(object, schema);
      const unchecked = uncheckedRules(schema, [...causes, ...broken]);
      causes.push(...broken, ...(type.custom ? unchecked : []));
      if (before !== undefined && unchecked.length === 0) causes.push(...transitionViolations(object, before, schema));
    }
    if (causes.length > 0) throw invalid(type, name, causes);
    if (type === crdType) typesOf(object);
    checkSize(object);
    return {
      object,
      warnings:
        options.fieldValidation === 'Warn' ? unknown.map((path) => `unknown field ${JSON.stringify(path)}`) : [],
    };
  }

  private save(type: ResourceType, object: KubernetesObject, { dryRun }: WriteOptions): KubernetesObject {
    if (dryRun) return object;
    const stored = this.store.put(type, object);
    if (type === crdType) this.onCrdChange([]);
    return stored;
  }

  private finish(type: ResourceType, object: KubernetesObject): KubernetesObject {
    const removed = this.store.remove(type, object);
    this.terminations.settle(type, removed);
    return removed;
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

function holdsOthers(type: ResourceType): boolean {
  return type === namespaceType || type === crdType;
}

function hasGeneration(type: ResourceType): boolean {
  return type.custom || type === crdType;
}

/** Only what is built in may be overwritten whatever it is now. */
function versionMissing(type: ResourceType, name: string): ApiStatus {
  return invalid({ ...type, kind: type.plural }, name, [
    {
      reason: 'FieldValueInvalid',
      message: 'Invalid value: 0: must be specified for an update',
      field: 'metadata.resourceVersion',
    },
  ]);
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
