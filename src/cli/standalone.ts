import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../config/environment-variables';
import { parseListenAddress } from '../config/listen-address';
import { messageOf } from '../error-message';
import { startStandalone, type Standalone } from '../standalone/standalone';
import { configSource } from './config-source';
import { announce, followConfig, startLog, stopOnSignal } from './serve';

export interface StandaloneFlags {
  readonly file: string | undefined;
  readonly listen: string | undefined;
  readonly apiListen: string | undefined;
  readonly data: string | undefined;
  readonly token: string | undefined;
  readonly env: Environment;
}

/** Runs the gateway with everything that it needs in one process, until told to stop. */
export async function runStandalone(flags: StandaloneFlags): Promise<void> {
  for (const [flag, address] of [
    ['--listen', flags.listen],
    ['--api-listen', flags.apiListen],
  ] as const) {
    if (address !== undefined) checkAddress(flag, address);
  }
  if (flags.token !== undefined && !/^[\x21-\x7e]+$/.test(flags.token)) {
    throw new Error('--token: must be printable characters without a space');
  }
  const listen = flags.listen ?? flags.env.GATEWAY_LISTEN_ADDR;
  // Whoever asks for a free port runs several of these: the API's port must not collide either.
  const anyPort = listen?.endsWith(':0') === true;
  const env = flags.listen === undefined ? flags.env : { ...flags.env, GATEWAY_SERVER__LISTEN_ADDR: flags.listen };
  const source = configSource(flags.file, env, {
    server: { listen_addr: '127.0.0.1:8080', shutdown_delay: '0s' },
    // 9090 is where a Prometheus on the same machine listens.
    metrics: { listen_addr: '127.0.0.1:0' },
    redis: { addr: '' },
    logging: { format: 'text' },
  });
  const config = source.load();
  const logger = startLog(config);
  const standalone = await startStandalone({
    config,
    logger,
    apiListen: flags.apiListen ?? (anyPort ? '127.0.0.1:0' : '127.0.0.1:8001'),
    dataDir: flags.data ?? mkdtempSync(join(tmpdir(), 'kubernaut-gateway-')),
    token: flags.token ?? randomBytes(24).toString('base64url'),
  }).catch((error: unknown) => {
    // Here it has a flag.
    throw new Error((error as Error).message.replace(/^server\.listen_addr:/, '--listen:'), { cause: error });
  });
  announce(standalone.gateway);
  followConfig(source, config, logger);
  process.stderr.write(
    `kubernetes api listening on ${standalone.apiUrl}\n${firstSteps(standalone, config.adapters.prometheus.path)}`,
  );
  stopOnSignal(config, logger, () => standalone.close());
}

function checkAddress(flag: string, address: string): void {
  try {
    parseListenAddress(address);
  } catch (error) {
    throw new Error(`${flag}: ${messageOf(error)}`, { cause: error });
  }
}

/** What a person who has just started it can paste into another terminal. */
function firstSteps({ gateway, apiUrl, token, dataDir }: Standalone, path: string): string {
  const post = `curl -s ${gateway.url}${path} \\
    -H 'Content-Type: application/json' -H 'Authorization: Bearer ${token}' \\
    -d '{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"HighMemoryUsage","severity":"critical","namespace":"prod-payment-service","pod":"payment-api-789"},"annotations":{"description":"Pod using 95% memory"},"startsAt":"2025-10-04T10:00:00Z"}]}'`;
  return `
Standalone mode: for trying and testing, not for production. Objects are kept in ${dataDir}
Token: ${token}

1. Send a firing alert; it is answered 201 "created":

  ${post}

2. Send the same again; it is answered 202 "duplicate":

  ${post}

3. See the RemediationRequest (kubectl get rr works too: kubectl --server ${apiUrl} get rr -A):

  curl -s ${apiUrl}/apis/remediation.kubernaut.io/v1/remediationrequests

The API explorer is at ${gateway.url}/docs. Ctrl-C stops.

`;
}
