import { settingsByPath } from './environment-variables';
import { GatewayConfig } from './gateway-config';

/** The settings as they would stand in a file, for the log. A secret shows only whether it is set. */
export function effectiveConfig(config: GatewayConfig): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [path, { setting, owner }] of settingsByPath(config)) {
    const value = setting.show((owner as Record<string, unknown>)[setting.member]);
    if (value === undefined) continue;
    const keys = path.split('.');
    const last = keys.pop() ?? path;
    const section = keys.reduce<Record<string, unknown>>(
      (inner, key) => (inner[key] ??= {}) as Record<string, unknown>,
      tree,
    );
    section[last] = setting.secret ? (value === '' ? '' : '***') : value;
  }
  return tree;
}

/** Settings that somebody set and that have no effect in this version. */
export function reservedKeysInUse(config: GatewayConfig): string[] {
  const defaults = settingsByPath(new GatewayConfig());
  return [...settingsByPath(config)].flatMap(([path, { setting, owner }]) => {
    const standard = (defaults.get(path)?.owner as Record<string, unknown> | undefined)?.[setting.member];
    const isSet = JSON.stringify((owner as Record<string, unknown>)[setting.member]) !== JSON.stringify(standard);
    return setting.reserved && isSet ? [path] : [];
  });
}
