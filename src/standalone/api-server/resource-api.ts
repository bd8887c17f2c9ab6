import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../clock';
import {
  ApiStatus,
  badRequest,
  methodNotAllowed,
  noSuchPath,
  notFound,
  pageNotFound,
  unsupportedMediaType,
  unsupportedOption,
} from './api-status';
import type { KubernetesObject } from './kubernetes-object';
import type { ObjectStore } from './object-store';
import { jsonPatch, mergePatch, strategicPatch } from './patches';
import type { RequestBody } from './request-body';
import type { ResourceHandlers, Target, WriteOptions } from './resource-handlers';
import { apiVersionOf, namespaceType, type ResourceType } from './resource-types';
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
const namespaceSubresourcePath =
  /^\/api\/(?<core>v1)\/(?<plural>namespaces)\/(?<name>[^/]+)\/(?<subresource>status|finalize)$/;
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
    body: RequestBody,
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
          return this.create(target, query, body);
        case 'DELETE':
          // Whoever deletes every namespace at once has made a mistake.
          if (target.type === namespaceType) throw methodNotAllowed();
          return this.deleteAll(target, query, body.parsed());
        default:
          if (target.type.custom) throw badRequest('name must be provided');
          throw methodNotAllowed();
      }
    }
    switch (request.method) {
      case 'GET': {
        const object = this.handlers.get(target);
        return { code: 200, body: asTable ? this.table(target.type, [object]) : object };
      }
      case 'POST':
        // Custom resources do not look at the name of the path.
        if (target.type.custom && target.subresource === undefined) return this.create(target, query, body);
        throw methodNotAllowed();
      case 'PUT':
        return {
          code: 200,
          ...bodyOf(this.handlers.update(target, body.parsed(), optionsOf(query, 'UpdateOptions'))),
        };
      case 'PATCH': {
        requirePatchType(body.mediaType, target.type);
        return {
          code: 200,
          ...bodyOf(this.handlers.patch(target, body.patch(), body.mediaType, optionsOf(query, 'PatchOptions'))),
        };
      }
      case 'DELETE':
        return {
          code: 200,
          body: this.handlers.delete(target, body.parsed(), optionsOf(query, 'DeleteOptions')),
        };
      default:
        throw methodNotAllowed();
    }
  }

  private create({ type, namespace }: Target, query: URLSearchParams, body: RequestBody): Result {
    const target = { type, ...(namespace === undefined ? {} : { namespace }) };
    return { code: 201, ...bodyOf(this.handlers.create(target, body.parsed(), optionsOf(query, 'CreateOptions'))) };
  }

  private targetOf(path: string): Target {
    // `/namespaces/x/status` is the status of a namespace, not a resource in it.
    const parts = (namespaceSubresourcePath.exec(path) ?? collectionPath.exec(path))?.groups;
    if (parts === undefined) throw pageNotFound();
    const { core, group = '', version = core, namespace, plural, name, subresource } = parts;
    const type = this.types().find(
      (candidate) => candidate.group === group && candidate.version === version && candidate.plural === plural,
    );
    if (type === undefined) throw this.isBuiltIn(group, version) ? noSuchPath() : pageNotFound();
    if (namespace !== undefined && !type.namespaced) throw noSuchPath();
    if (subresource !== undefined && !hasSubresource(type, subresource))
      throw type.custom ? notFound(type, name ?? '') : noSuchPath();
    if (name !== undefined && type.namespaced && namespace === undefined) throw noSuchPath();
    return {
      type,
      ...(namespace === undefined ? {} : { namespace: decode(namespace) }),
      ...(name === undefined ? {} : { name: decode(name) }),
      ...(subresource === undefined ? {} : { subresource }),
    };
  }

  /** Groups that are built in know a Status for what they do not serve; others are just not there. */
  private isBuiltIn(group: string, version: string | undefined): boolean {
    return this.types().some((type) => !type.custom && type.group === group && type.version === version);
  }

  private list(target: Target, query: URLSearchParams, asTable: boolean): Result {
    const { type } = target;
    const all = this.store.list(type).filter(selectorOf(target, query));
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const token = query.get('continue');
    // A page goes on behind the last object of the one before, whatever has come or gone since.
    const behind = token ? decodeToken(token) : undefined;
    const start = behind === undefined ? 0 : all.findIndex((object) => positionOf(object) > behind);
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
    const { dryRun } = optionsOf(query, 'DeleteOptions');
    const items = this.store.list(type).filter(selectorOf(target, query));
    if (!dryRun) {
      for (const { metadata } of items) {
        const { name, namespace } = metadata;
        this.handlers.delete({ type, ...(name ? { name } : {}), ...(namespace ? { namespace } : {}) }, body, {
          dryRun,
        });
      }
    }
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

/** @param kind of the options, which the refusal names */
function optionsOf(query: URLSearchParams, kind: string): WriteOptions {
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore')
    throw unsupportedOption(kind, 'fieldValidation', JSON.stringify(fieldValidation), ['', 'Ignore', 'Strict', 'Warn']);
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) throw unsupportedOption(kind, 'dryRun', JSON.stringify(dryRun), ['All']);
  return { fieldValidation, dryRun: dryRun.length > 0 };
}

function hasSubresource(type: ResourceType, subresource: string): boolean {
  return (subresource === 'status' && type.hasStatus) || (subresource === 'finalize' && type === namespaceType);
}

/** @throws ApiStatus 415, in the two forms that the real server has for it */
function requirePatchType(mediaType: string, { custom }: ResourceType): void {
  const accepted = custom ? [jsonPatch, mergePatch] : [jsonPatch, mergePatch, strategicPatch];
  if (accepted.includes(mediaType)) return;
  if (custom) throw unsupportedMediaType(accepted);
  throw new ApiStatus(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
}

function selectorOf({ type, namespace }: Target, query: URLSearchParams): Selector {
  const labels = query.get('labelSelector');
  const fields = query.get('fieldSelector');
  const byLabels = labels ? labelSelector(labels) : undefined;
  const byFields = fields ? fieldSelector(fields, type.selectableFields) : undefined;
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

/** @throws ApiStatus 400 */
function decodeToken(token: string): string {
  const position = Buffer.from(token, 'base64url').toString();
  if (encodeToken(position) !== token) throw badRequest('invalid continue token: continue key is not valid');
  return position;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`${segment} is not a valid part of a path`);
  }
}
