import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock, type Clock } from '../../clock';
import { messageOf } from '../../error-message';
import { ApiStatus, PlainRefusal, tooManyRequests } from './api-status';
import { discover } from './discovery';
import type { KubernetesObject } from './kubernetes-object';
import { ObjectFiles } from './object-files';
import { ObjectStore } from './object-store';
import { RequestBody } from './request-body';
import { ResourceApi } from './resource-api';
import { ResourceHandlers } from './resource-handlers';
import { apiVersionOf, builtInTypes, crdType, typesOf, type ResourceType } from './resource-types';
import { Reviews } from './reviews';
import { ServiceAccountTokens } from './service-account-tokens';
import type { KnownToken } from './token-reviews';
import { Watches } from './watches';

export interface KubernetesApiServerOptions {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Where objects are kept as YAML files; absent: in memory only. */
  readonly dataDir?: string;
  /** What TokenReview accepts besides the tokens that this server issues. */
  readonly tokens: readonly KnownToken[];
  /** Created at the start when absent. */
  readonly objects?: readonly KubernetesObject[];
  readonly clock?: Clock;
  /** More than these at once are refused, watches not counted; absent: none is. */
  readonly maxRequestsInFlight?: number;
}

export interface KubernetesApiServer {
  readonly url: string;
  close(): Promise<void>;
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/;

/**
 * A Kubernetes API server for trying and testing, in this process: real protocol, few resources, no authentication. It
 * answers loopback names alone, so that a web page cannot reach it through a name of its own.
 */
export async function startKubernetesApiServer(options: KubernetesApiServerOptions): Promise<KubernetesApiServer> {
  const { clock = systemClock, tokens, dataDir, maxRequestsInFlight = Infinity } = options;
  const files = dataDir === undefined ? undefined : new ObjectFiles(dataDir);
  const kept = files?.read() ?? [];
  const store = new ObjectStore(
    Math.max(0, ...kept.map(({ metadata }) => Number(metadata.resourceVersion ?? 0))),
    files,
  );
  let types: readonly ResourceType[] = builtInTypes;
  const watches = new Watches(store);
  const learnTypes = (gone: readonly ResourceType[] = []) => {
    for (const type of gone) {
      watches.endOf(type);
      store.forget(type);
    }
    const custom = store.list(crdType).flatMap(typesOf);
    for (const type of custom) store.begin(type);
    types = [...builtInTypes, ...custom];
  };
  const handlers = new ResourceHandlers(store, clock, learnTypes, () => types);
  restore(kept, store, () => types, learnTypes);
  for (const object of options.objects ?? []) createIfAbsent(object, handlers, store, () => types);

  const resources = new ResourceApi(store, handlers, watches, clock, () => types);
  const reviews = new Reviews(store, tokens, new ServiceAccountTokens(store, clock));
  let inFlight = 0;
  const server = createServer((request, response) => {
    inFlight += 1;
    serve(request, response)
      .catch((error: unknown) => refuse(response, error))
      .finally(() => (inFlight -= 1));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (!loopback.test(request.headers.host ?? ''))
      throw new ApiStatus(403, 'Forbidden', 'this API server answers loopback addresses alone');
    const path = url.pathname.replace(/(.)\/$/, '$1');
    if (/^\/(healthz|livez|readyz)$/.test(path)) {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
      return;
    }
    if (inFlight > maxRequestsInFlight) throw tooManyRequests();
    const body = await RequestBody.of(request);
    const { method = '' } = request;
    const found = method === 'GET' ? discover(path, types, request.headers.host ?? '') : undefined;
    if (found !== undefined) {
      answer(response, 200, found);
      return;
    }
    const reviewed = reviews.answer(method, path, body);
    if (reviewed !== undefined) {
      answer(response, 201, reviewed);
      return;
    }
    const result = resources.serve(request, response, path, url.searchParams, body);
    if (result !== undefined) answer(response, result.code, result.body, result.warnings);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.listen.port, options.listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const { host } = options.listen;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async close() {
      watches.endAll();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** CRDs first: they say what the others are. */
function restore(
  objects: readonly KubernetesObject[],
  store: ObjectStore,
  types: () => readonly ResourceType[],
  learnTypes: () => void,
): void {
  const crds = objects.filter(({ kind }) => kind === crdType.kind);
  for (const crd of crds) store.restore(crdType, crd);
  learnTypes();
  for (const object of objects) {
    const type = typeOf(object, types());
    if (type !== undefined && type !== crdType) store.restore(type, object);
  }
}

function createIfAbsent(
  object: KubernetesObject,
  handlers: ResourceHandlers,
  store: ObjectStore,
  types: () => readonly ResourceType[],
): void {
  const type = typeOf(object, types());
  if (type === undefined) throw new Error(`no resource for ${object.kind} of ${object.apiVersion}`);
  const { name = '', namespace } = object.metadata;
  if (store.get(type, namespace, name) !== undefined) return;
  handlers.create({ type, ...(namespace === undefined ? {} : { namespace }) }, object, {
    fieldValidation: 'Strict',
    dryRun: false,
  });
}

function typeOf(object: KubernetesObject, types: readonly ResourceType[]): ResourceType | undefined {
  return types.find((type) => type.kind === object.kind && apiVersionOf(type) === object.apiVersion);
}

function answer(response: ServerResponse, code: number, body: unknown, warnings: readonly string[] = []): void {
  if (warnings.length > 0)
    response.setHeader(
      'warning',
      warnings.map((warning) => `299 - ${JSON.stringify(warning)}`),
    );
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof PlainRefusal) {
    const { code, message, headers } = error;
    response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${message}\n`);
    return;
  }
  const status =
    error instanceof ApiStatus
      ? error
      : new ApiStatus(500, 'InternalError', `Internal error occurred: ${messageOf(error)}`);
  answer(response, status.code, status);
}
