import type { GatewayConfig } from './gateway-config';
import type { Identity, SourceSettings } from './source-settings';

/** What makes two signals of a source one incident. */
export function identityOf({ fingerprint }: GatewayConfig, { identity }: SourceSettings): Identity {
  return identity === 'inherit' ? fingerprint.identity : identity;
}

/** Whether incidents are told apart by who owns the object. */
export function isByOwner(identity: Identity): boolean {
  return identity === 'owner' || identity === 'owner_only';
}

/** Whether any source that is enabled needs to know owners. */
export function needsOwners(config: GatewayConfig): boolean {
  return Object.values(config.adapters).some(
    (settings: SourceSettings) => settings.enabled && isByOwner(identityOf(config, settings)),
  );
}

/** What a source is called in paths, labels, permissions and the log, by its name in the configuration. */
export function sourceName(member: string): string {
  return member.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
