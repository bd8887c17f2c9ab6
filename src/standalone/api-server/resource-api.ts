import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../clock';
import { badRequest, methodNotAllowed, noSuchPath } from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import type { ObjectStore } from './object-store';
import type { ResourceHandlers, Target, WriteOptions } from './resource-handlers';
import { apiVersionOf, type ResourceType } from './resource-types';
import { fieldSelector, labelSelector, type Selector } from './selectors';
import { tableOf } from './tables';
import type { Watches } from './watches';

export interface Result {
  readonly code: number;
  readonly body: unknown;
  readonly warnings?: readonly string[];
}

const collectionPath =
  /^(?:\/api\/(?<core>v1)|\/apis\/(?<group>[^/]+)\/(?<version>[^/]+))(?:\/namespaces\/(?<namespace>[^/]+)(?=\/[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+)(?:\/(?<subresource>[^/]+))?)?$/;
const namespaceStatusPath = /^\/api\/(?<core>v1)\/(?<plural>namespaces)\/(?<name>[^/]+)\/(?<subresource>status)$/;
const defaultWatchSeconds = 1_800;

/** The REST of resources: reads a path and its query, and calls what it asks for. */
export class ResourceApi {
  constructor(
    private readonly store: ObjectStore,
    private readonly handlers: ResourceHandlers,
    private readonly watches: Watches,
    private readonly clock: Clock,
    private readonly types: () => readonly ResourceType[],
  ) {}

  /** `undefined` when the answer is a stream that has begun. @throws ApiStatus */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    body: unknown,
  ): Result | undefined {
    const target = this.targetOf(path);
    const asTable = /;\s*as=Table/.test(request.headers.accept ?? '');
    if (target.name === undefined) {
      switch (request.method) {
        case 'GET':
          if (query.get('watch') !== 'true' && query.get('watch') !== '1') return this.list(target, query, asTable);
          this.watch(response, target, query, asTable);
          return undefined;
        case 'POST':
          return { code: 201, ...bodyOf(this.handlers.create(target, body, optionsOf(query))) };
        case 'DELETE':
          return this.deleteAll(target, query, body);
        default:
          throw methodNotAllowed();
      }
    }
    switch (request.method) {
      case 'GET': {
        const object = this.handlers.get(target);
        return { code: 200, body: asTable ? this.table(target.type, [object]) : object };
      }
      case 'PUT':
        return { code: 200, ...bodyOf(this.handlers.update(target, body, optionsOf(query))) };
      case 'PATCH': {
        const contentType = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '';
        return { code: 200, ...bodyOf(this.handlers.patch(target, body, contentType, optionsOf(query))) };
      }
      case 'DELETE':
        return { code: 200, body: this.handlers.delete(target, body) };
      default:
        throw methodNotAllowed();
    }
  }

  private targetOf(path: string): Target {
    // `/namespaces/x/status` is the status of a namespace, not a resource in it.
    const parts = (namespaceStatusPath.exec(path) ?? collectionPath.exec(path))?.groups;
    if (parts === undefined) throw noSuchPath();
    const { core, group = '', version = core, namespace, plural, name, subresource } = parts;
    const type = this.types().find(
      (candidate) => candidate.group === group && candidate.version === version && candidate.plural === plural,
    );
    if (
      type === undefined ||
      (namespace !== undefined && !type.namespaced) ||
      (subresource !== undefined && !(subresource === 'status' && type.hasStatus))
    ) {
      throw noSuchPath();
    }
    if (name !== undefined && type.namespaced && namespace === undefined) throw noSuchPath();
    return {
      type,
      ...(namespace === undefined ? {} : { namespace: decode(namespace) }),
      ...(name === undefined ? {} : { name: decode(name) }),
      ...(subresource === undefined ? {} : { subresource }),
    };
  }

  private list(target: Target, query: URLSearchParams, asTable: boolean): Result {
    const { type } = target;
    const all = this.store.list(type).filter(selectorOf(target, query));
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const token = query.get('continue');
    // A page goes on behind the last object of the one before, whatever has come or gone since.
    const start = token ? all.findIndex((object) => positionOf(object) > decodeToken(token)) : 0;
    const page = start === -1 ? [] : all.slice(start, start + limit);
    const left = start === -1 ? 0 : all.length - start - page.length;
    const last = page.at(-1);
    const metadata = {
      resourceVersion: String(this.store.resourceVersion),
      ...(left > 0 && last ? { continue: encodeToken(positionOf(last)), remainingItemCount: left } : {}),
    };
    if (asTable) return { code: 200, body: { ...this.table(type, page), metadata } };
    return { code: 200, body: { kind: type.listKind, apiVersion: apiVersionOf(type), metadata, items: page } };
  }

  private watch(response: ServerResponse, target: Target, query: URLSearchParams, asTable: boolean): void {
    const version = query.get('resourceVersion');
    this.watches.serve(response, {
      type: target.type,
      selects: selectorOf(target, query),
      ...(version === null || version === '' || version === '0' ? {} : { after: Number(version) }),
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      timeoutSeconds: Number(query.get('timeoutSeconds') ?? 0) || defaultWatchSeconds,
      show: (object) => (asTable ? this.table(target.type, [object]) : object),
    });
  }

  private deleteAll(target: Target, query: URLSearchParams, body: unknown): Result {
    const { type } = target;
    const items = this.store
      .list(type)
      .filter(selectorOf(target, query))
      .map(({ metadata: { name, namespace } }) =>
        this.handlers.delete({ type, ...(name ? { name } : {}), ...(namespace ? { namespace } : {}) }, body),
      );
    return {
      code: 200,
      body: {
        kind: type.listKind,
        apiVersion: apiVersionOf(type),
        metadata: { resourceVersion: String(this.store.resourceVersion) },
        items,
      },
    };
  }

  private table(type: ResourceType, objects: readonly KubernetesObject[]): object {
    return tableOf(type, objects, String(this.store.resourceVersion), this.clock.now());
  }
}

function bodyOf({
  object,
  warnings,
}: {
  readonly object: KubernetesObject;
  readonly warnings: readonly string[];
}): Omit<Result, 'code'> {
  return { body: object, warnings };
}

function optionsOf(query: URLSearchParams): WriteOptions {
  const fieldValidation = query.get('fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore') {
    throw badRequest(
      `fieldValidation: Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "Ignore", "Warn", "Strict"`,
    );
  }
  return { fieldValidation, dryRun: query.get('dryRun') === 'All' };
}

function selectorOf({ namespace }: Target, query: URLSearchParams): Selector {
  const labels = query.get('labelSelector');
  const fields = query.get('fieldSelector');
  const byLabels = labels ? labelSelector(labels) : undefined;
  const byFields = fields ? fieldSelector(fields) : undefined;
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (byLabels?.(object) ?? true) &&
    (byFields?.(object) ?? true);
}

function positionOf({ metadata: { namespace = '', name = '' } }: KubernetesObject): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function encodeToken(position: string): string {
  return Buffer.from(position).toString('base64url');
}

function decodeToken(token: string): string {
  return Buffer.from(token, 'base64url').toString();
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`${segment} is not a valid part of a path`);
  }
}
