import type { Logger } from 'pino';
import { effectiveConfig, reservedKeysInUse } from '../config/effective-config';
import type { GatewayConfig } from '../config/gateway-config';
import { followConfigFile } from '../config/reload';
import { startGateway, type Gateway } from '../gateway';
import { lineContext } from '../http/request-scope';
import { createLogger } from '../logging/gateway-logger';
import type { ConfigSource } from './config-source';
import { correctV8 } from './correct-v8';

/** Serves the cluster that the configuration names, until told to stop. */
export async function serveCluster(source: ConfigSource): Promise<void> {
  const config = source.load();
  const logger = startLog(config);
  const gateway = await startGateway({ config, logger });
  correctV8();
  announce(gateway);
  followConfig(source, config, logger);
  stopOnSignal(config, logger, () => gateway.close());
}

/** Takes over what changes in the file and can change while it runs: the log level and the thresholds of storms. The rest is told to need a restart. */
export function followConfig({ file, load, version }: ConfigSource, current: GatewayConfig, logger: Logger): void {
  if (file === undefined) return;
  followConfigFile({
    file,
    load,
    version: version(),
    current,
    tookOver: () => {
      logger.level = current.logging.level;
    },
    tell: (event) => {
      if (event.kind === 'refused') logger.error({ reason: event.reason }, 'the changed configuration is not used');
      else logger.info({ need_restart: event.needRestart }, 'configuration reloaded');
    },
  });
}

/** The log, with the effective configuration as its first line. */
export function startLog(config: GatewayConfig): Logger {
  const logger = createLogger(config.logging, lineContext);
  logger.info({ config: effectiveConfig(config) }, 'effective configuration');
  for (const key of reservedKeysInUse(config)) logger.warn({ key }, 'this setting has no effect in this version');
  return logger;
}

/** The addresses in use, a line each, on standard error: what scripts wait for. */
export function announce({ url, metricsUrl }: Gateway): void {
  process.stderr.write(`gateway listening on ${url}\n`);
  if (metricsUrl !== undefined) process.stderr.write(`metrics listening on ${metricsUrl}\n`);
}

/** Stops on SIGTERM and SIGINT, within the grace period; a second signal ends it at once. */
export function stopOnSignal(config: GatewayConfig, logger: Logger, close: () => Promise<void>): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'shutting down');
    const late = setTimeout(() => {
      logger.error({}, 'the grace period is over: not everything has ended');
      logger.flush(() => process.exit(1));
    }, config.server.gracefulShutdownTimeout);
    close().then(
      () => {
        clearTimeout(late);
        logger.info({}, 'stopped');
        logger.flush(() => process.exit(0));
      },
      (error: unknown) => {
        logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'shutdown failed');
        logger.flush(() => process.exit(1));
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
