import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger as NestLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module';
import { Authenticator } from './auth/authenticator';
import { Authorizer } from './auth/authorizer';
import { authenticateRequests } from './auth/authenticate-requests';
import { BodySignature } from './auth/body-signature';
import { SignedRequests } from './auth/signed-requests';
import { systemClock } from './clock';
import { listenFailure, parseListenAddress } from './config/listen-address';
import type { GatewayConfig } from './config/gateway-config';
import { isDocsPath } from './config/paths';
import { sourceName } from './config/identity';
import type { SourceSettings } from './config/source-settings';
import { Readiness } from './health/readiness';
import { Admission } from './http/admission';
import { admitBodies } from './http/admit-bodies';
import { followConnections } from './http/connections';
import { ErrorFilter } from './http/error.filter';
import { createHttpServer, type Unreadable } from './http/http-server';
import { serveInTurn } from './http/pipelining';
import { followTlsPair, readTlsPair } from './http/server-tls';
import { acceptJsonBodies } from './http/json-body';
import { followRequests, followUnreadable } from './http/request-lifecycle';
import { scopeOf } from './http/request-scope';
import { EnvironmentOverrides } from './kubernetes/environment-overrides';
import { KubernetesApi } from './kubernetes/kubernetes-api';
import { Namespaces } from './kubernetes/namespaces';
import { Owners } from './kubernetes/owners';
import { RemediationRequestClient } from './kubernetes/remediation-request.client';
import { RemediationRequestIndex } from './kubernetes/remediation-request.index';
import { GatewayMetrics } from './metrics/gateway-metrics';
import { MetricsListenerModule } from './metrics/metrics.module';
import { serveApiExplorer } from './openapi';
import { Deduplication } from './processing/deduplication/deduplication';
import { StormCommits } from './processing/storm/storm-commits';
import { Recurrences } from './processing/recurrence/recurrences';
import { RequestStatus } from './processing/request-status/request-status';
import { ADDRESS_LIMIT } from './rate-limit/rate-limit.module';
import type { SharedLimit } from './rate-limit/shared-limit';
import type { OpenSignalState } from './state/create-signal-state';
import { SIGNAL_STATE } from './state/state.module';
import { version } from './version';

/** After it everything has been answered that came before the gateway stopped: an answer takes five seconds. Milliseconds. */
const lastCallMs = 7_000;

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly logger: Logger;
  /** Address of an API server that needs no credentials, in place of the configured one (standalone mode). */
  readonly kubernetesServer?: string;
}

export interface Gateway {
  readonly url: string;
  /** Absent when metrics are off. */
  readonly metricsUrl?: string;
  /** Stops in order: not ready, still serving while endpoints are removed, in-flight requests, then the connections. */
  close(): Promise<void>;
}

/** Starts the gateway as `main` and every end-to-end spec do. It listens when this resolves; `/ready` says whether it can serve. */
export async function startGateway({ config, logger, kubernetesServer }: GatewayOptions): Promise<Gateway> {
  const { server, metrics: metricsConfig } = config;
  // Nothing is refused before it listens.
  let onUnreadable: (refused: Unreadable) => void = () => undefined;
  const fastify = createHttpServer(
    server,
    (refused) => onUnreadable(refused),
    server.tls.enabled ? readTlsPair(server.tls) : undefined,
  );
  const adapter = new FastifyAdapter(fastify as never);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config, logger, kubernetesServer),
    adapter,
    {
      bodyParser: false,
      // What it says while it starts is for who works on it; what keeps it from starting is thrown.
      logger: false,
      abortOnError: false,
    },
  );
  app.useLogger(app.get(NestLogger));

  const metrics = app.get(GatewayMetrics);
  metrics.buildInfo.set({ version, node: process.version }, 1);
  const admission = new Admission(
    { maxBytes: server.maxBytesInProgress, maxBodyBytes: server.maxBodyBytes },
    metrics,
    logger,
  );
  reportSizes(app, metrics, admission);
  const readiness = app.get(Readiness);
  followRequests(fastify, logger, metrics, readiness, sourcesOf(config));
  onUnreadable = followUnreadable(logger, metrics);
  const signed = new SignedRequests(signaturesOf(config), metrics, logger);
  authenticateRequests(fastify, app.get(Authenticator), signed, app.get<SharedLimit>(ADDRESS_LIMIT), logger);
  const bodyArrived = admitBodies(fastify, admission);
  acceptJsonBodies(fastify, (request, body) => {
    bodyArrived(request, body);
    const scope = scopeOf(request);
    const { verifyBody } = scope;
    // A connection keeps the scope of its last request, which would keep all that was posted.
    scope.verifyBody = undefined;
    return verifyBody?.(body);
  });
  fastify.addHook('onRoute', (route) => {
    if (isDocsPath(route.url)) route.config = { ...route.config, public: true };
  });
  app.useGlobalFilters(new ErrorFilter(logger, server.maxBodyBytes));
  serveApiExplorer(app, version);
  const metricsApp = metricsConfig.enabled ? await createMetricsApp(metricsConfig.path) : undefined;
  const stopFollowing = server.tls.enabled
    ? followTlsPair(fastify.server as unknown as HttpsServer, server.tls, logger)
    : () => undefined;
  const endConnections = followConnections(fastify.server);
  const metricsServer = metricsApp?.getHttpServer() as Server | undefined;
  const endMetricsConnections = metricsServer && followConnections(metricsServer);
  if (metricsServer) serveInTurn(metricsServer, { tooMany: () => undefined, dropped: () => undefined });
  // Connections are waited for: also those that stay open after an answer, or bring what is never finished. From when no more are
  // taken: what is asked to stop before that may take its time.
  let lastCall: NodeJS.Timeout | undefined;
  fastify.addHook('preClose', (done) => {
    lastCall = setTimeout(endConnections, lastCallMs);
    done();
  });
  const stop = async () => {
    stopFollowing();
    await app.close().finally(() => clearTimeout(lastCall));
    // Who scrapes comes again, and elsewhere.
    endMetricsConnections?.();
    await metricsApp?.close();
  };
  try {
    if (metricsApp !== undefined) await listen(metricsApp, 'metrics.listen_addr', metricsConfig.listenAddr);
    await listen(app, 'server.listen_addr', server.listenAddr);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url: urlOf(app, server.listenAddr, server.tls.enabled ? 'https' : 'http'),
    ...(metricsApp ? { metricsUrl: urlOf(metricsApp, metricsConfig.listenAddr) + metricsConfig.path } : {}),
    async close() {
      readiness.beginDraining();
      await delay(server.shutdownDelay);
      await stop();
    },
  };
}

/** What each source is called, by path. */
function sourcesOf({ adapters }: GatewayConfig): ReadonlyMap<string, string> {
  return new Map(
    Object.entries<SourceSettings>(adapters)
      .filter(([, { enabled }]) => enabled)
      .map(([name, { path }]) => [path, sourceName(name)]),
  );
}

/** Of the sources that sign, by path. */
function signaturesOf({ adapters }: GatewayConfig): ReadonlyMap<string, BodySignature> {
  const signatures = new Map<string, BodySignature>();
  for (const { enabled, path, hmac } of Object.values<SourceSettings>(adapters)) {
    if (!enabled || hmac === undefined || hmac.secret === '') continue;
    const { secret, header, timestampHeader, replayWindow: replayWindowMs, username } = hmac;
    const rules = { secret, header, timestampHeader, replayWindowMs, username };
    signatures.set(path, new BodySignature(rules, systemClock));
  }
  return signatures;
}

/** As `gateway_circuit_breaker_state` numbers them. */
const circuitStates = ['closed', 'open', 'half-open'];

/** Nothing grows unseen: every memory that is bounded or watched shows its size. */
function reportSizes(app: NestFastifyApplication, metrics: GatewayMetrics, admission: Admission): void {
  const authenticator = app.get(Authenticator);
  const addresses = app.get<SharedLimit>(ADDRESS_LIMIT);
  const authorizer = app.get(Authorizer, { strict: false });
  const client = app.get(RemediationRequestClient);
  const status = app.get(RequestStatus, { strict: false });
  const recurrences = app.get(Recurrences, { strict: false });
  const storms = app.get(StormCommits, { strict: false });
  const api = app.get(KubernetesApi);
  const owners = app.get<Owners | undefined>(Owners);
  const deduplication = app.get(Deduplication, { strict: false });
  const state = app.get<OpenSignalState>(SIGNAL_STATE);
  const watches = {
    remediationrequests: app.get(RemediationRequestIndex).cache,
    namespaces: app.get(Namespaces).cache,
    environment_overrides: app.get(EnvironmentOverrides).cache,
    ...(owners ? { pods: owners.caches.Pod, replicasets: owners.caches.ReplicaSet, jobs: owners.caches.Job } : {}),
  };
  metrics.countEntries({
    accepted_tokens: () => authenticator.sizes.accepted,
    refused_tokens: () => authenticator.sizes.refused,
    addresses: () => addresses.count,
    allowed_senders: () => authorizer.sizes.allowed,
    denied_senders: () => authorizer.sizes.denied,
    webhooks_in_progress: () => admission.inProgressCount,
    webhooks_waiting: () => admission.waitingCount,
    claims_in_flight: () => deduplication.inFlightCount,
    writes_in_flight: () => client.writesInFlight,
    writes_waiting: () => client.writesWaiting,
    status_patches_waiting: () => status.pendingCount,
    storm_members_waiting: () => storms.waitingCount,
    recurrences_waiting: () => recurrences.waitingCount,
    fingerprints: state.size,
    storm_groups: state.groups,
    ...(owners ? { remembered_owners: () => owners.rememberedCount } : {}),
    ...Object.fromEntries(Object.entries(watches).map(([name, cache]) => [name, () => cache.size])),
  });
  const { connection } = state;
  metrics.showCircuits({
    kubernetes: () => circuitStates.indexOf(api.circuit),
    ...(connection ? { redis: () => circuitStates.indexOf(connection.circuit) } : {}),
  });
  metrics.timeSilence(
    Object.fromEntries(Object.entries(watches).map(([name, cache]) => [name, () => cache.silentForMs / 1000])),
  );
}

function createMetricsApp(path: string): Promise<NestFastifyApplication> {
  return NestFactory.create(MetricsListenerModule.forRoot(path), new FastifyAdapter(), { logger: false });
}

async function listen(app: NestFastifyApplication, setting: string, address: string): Promise<void> {
  const { host, port } = parseListenAddress(address);
  try {
    await app.listen(port, host ?? anyAddress());
  } catch (error) {
    throw listenFailure(setting, address, error);
  }
}

/** All addresses of the machine; `::` takes IPv4 as well, where there is IPv6 at all. */
function anyAddress(): string {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  );
  return hasIpv6 ? '::' : '0.0.0.0';
}

function urlOf(app: NestFastifyApplication, address: string, scheme = 'http'): string {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const { host } = parseListenAddress(address);
  const shown = host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `${scheme}://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}
