import type { Environment } from '../config/environment-variables';
import type { GatewayConfig } from '../config/gateway-config';
import { loadConfig, type Tree } from '../config/load-config';

/** Where a configuration comes from, so that it can be read again. */
export interface ConfigSource {
  /** Absent: defaults and environment only. */
  readonly file?: string;
  readonly load: () => GatewayConfig;
}

/** The configuration of a `--config` flag, or of GATEWAY_CONFIG_FILE, with what stands in for the defaults. */
export function configSource(flag: string | undefined, env: Environment, defaults: Tree = {}): ConfigSource {
  const file = flag ?? env.GATEWAY_CONFIG_FILE;
  const named = file ? { file } : {};
  return { ...named, load: () => loadConfig({ ...named, env, defaults }) };
}
