import type { Logger } from 'pino';
import { loadConfig } from '../../src/config/load-config';
import { startGateway, type Gateway } from '../../src/gateway';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import type { KnownToken } from '../../src/standalone/api-server/token-reviews';
import { standaloneObjects } from '../../src/standalone/standalone';
import { eventually } from './eventually';
import { sender } from './sender';
import { silentLogger } from './test-gateway';

/** An API server in memory that has what standalone mode begins with, and knows who sends. */
export function startCluster(tokens: readonly KnownToken[] = [sender]): Promise<KubernetesApiServer> {
  return startKubernetesApiServer({ listen: { host: '127.0.0.1', port: 0 }, tokens, objects: standaloneObjects() });
}

/** A gateway by itself, without Redis, on a free port. Settings as in the file; it need not be ready yet. */
export function startGatewayOn(
  kubernetesServer: string,
  settings: Record<string, object> = {},
  logger: Logger = silentLogger(),
): Promise<Gateway> {
  const config = loadConfig({
    env: {},
    defaults: {
      server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s' },
      metrics: { enabled: false },
      redis: { addr: '' },
      // Most specs are about single signals, however many they send.
      storm_detection: { enabled: false },
      ...settings,
    },
  });
  return startGateway({ config, logger, kubernetesServer });
}

export async function untilReady({ url }: Pick<Gateway, 'url'>): Promise<void> {
  await eventually(async () => expect((await fetch(`${url}/ready`)).status).toBe(200));
}
