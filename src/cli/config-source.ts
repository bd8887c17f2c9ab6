import type { Environment } from '../config/environment-variables';
import type { GatewayConfig } from '../config/gateway-config';
import { versionOf } from '../file-version';
import { loadConfig, type Tree } from '../config/load-config';

/** Where a configuration comes from, so that it can be read again. */
export interface ConfigSource {
  /** Absent: defaults and environment only. */
  readonly file?: string;
  readonly load: () => GatewayConfig;
  /** Of the file, before it was read last. */
  readonly version: () => string | undefined;
}

/** The configuration of a `--config` flag, or of GATEWAY_CONFIG_FILE, with what stands in for the defaults. */
export function configSource(flag: string | undefined, env: Environment, defaults: Tree = {}): ConfigSource {
  const file = flag ?? env.GATEWAY_CONFIG_FILE;
  const named = file ? { file } : {};
  let version: string | undefined;
  return {
    ...named,
    load: () => {
      version = file ? versionOf(file) : undefined;
      return loadConfig({ ...named, env, defaults });
    },
    version: () => version,
  };
}
