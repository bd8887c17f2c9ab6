import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { parse } from 'yaml';
import type { GatewayConfig } from '../config/gateway-config';
import { listenFailure, parseListenAddress } from '../config/listen-address';
import { startGateway, type Gateway } from '../gateway';
import { packageFile } from '../package-file';
import { startKubernetesApiServer } from './api-server/kubernetes-api-server';
import type { KubernetesObject } from './api-server/kubernetes-object';

export interface StandaloneOptions {
  readonly config: GatewayConfig;
  readonly logger: Logger;
  readonly apiListen: string;
  /** Where the objects are kept as YAML files; absent: in memory only. */
  readonly dataDir?: string;
  /** The bearer token that is accepted. */
  readonly token: string;
}

export interface Standalone {
  readonly gateway: Gateway;
  readonly apiUrl: string;
  readonly token: string;
  readonly dataDir: string | undefined;
  close(): Promise<void>;
}

const chart = packageFile('charts', 'kubernaut-gateway');
const crds = join(chart, 'crds');
const senderRules = join(chart, 'files', 'rbac', 'sender-rules.yaml');

/** So that the original document's examples answer as they are printed there. */
const namespaces: readonly KubernetesObject[] = [
  namespace('prod-payment-service', { environment: 'production' }),
  namespace('staging-checkout', { environment: 'staging' }),
  namespace('test'),
  namespace('kubernaut-system'),
  namespace('monitoring'),
];

/** Who sends: the user of the token that is accepted. */
const sender = { namespace: 'monitoring', name: 'alertmanager' };
const senderRole = 'gateway-signal-sender';
const rbac = 'rbac.authorization.k8s.io';

/** Authenticated is not allowed: a sender needs a role, here as in a cluster. */
const permissions: readonly KubernetesObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: sender },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: senderRole },
    rules: parse(readFileSync(senderRules, 'utf8')) as unknown,
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: senderRole },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: senderRole },
    subjects: [{ kind: 'ServiceAccount', ...sender }],
  },
];

/** Starts the gateway against a Kubernetes API server in the same process. The client code and its protocol are the real ones. */
export async function startStandalone({
  config,
  logger,
  apiListen,
  dataDir,
  token,
}: StandaloneOptions): Promise<Standalone> {
  const { host = '127.0.0.1', port } = parseListenAddress(apiListen);
  const api = await startKubernetesApiServer({
    listen: { host, port },
    ...(dataDir === undefined ? {} : { dataDir }),
    tokens: [{ token, username: `system:serviceaccount:${sender.namespace}:${sender.name}` }],
    objects: standaloneObjects(),
  }).catch((error: unknown) => {
    const { syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === 'mkdir' || syscall === 'scandir')
      throw new Error(`--data: ${dataDir} is no folder that can be used: ${message}`, { cause: error });
    throw listenFailure('--api-listen', apiListen, error);
  });
  const gateway = await startGateway({ config, logger, kubernetesServer: api.url }).catch(async (error: unknown) => {
    await api.close();
    throw error;
  });
  return {
    gateway,
    apiUrl: api.url,
    token,
    dataDir,
    async close() {
      await gateway.close();
      await api.close();
    },
  };
}

/** What is there when it starts for the first time. */
export function standaloneObjects(): KubernetesObject[] {
  return [...namespaces, ...permissions, ...crdManifests()];
}

function namespace(name: string, labels: Readonly<Record<string, string>> = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function crdManifests(): KubernetesObject[] {
  return readdirSync(crds)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => parse(readFileSync(join(crds, file), 'utf8')) as KubernetesObject);
}
