import type { GatewayConfig } from '../../config/gateway-config';
import type { Identity, SourceSettings } from '../../config/source-settings';
import type { IdentityRules } from '../../signal/fingerprint';

/** What makes two signals of a source one incident, as configured. */
export function identityOf({ fingerprint }: GatewayConfig, { identity }: SourceSettings): Identity {
  return identity === 'inherit' ? fingerprint.identity : identity;
}

export function identityRulesOf({ fingerprint }: GatewayConfig, identity: Identity): IdentityRules {
  return {
    cluster: fingerprint.cluster,
    anyName: identity === 'object_only' || identity === 'owner_only',
    identityLabels: fingerprint.identityLabels,
    replicaLabels: new Set(fingerprint.replicaLabels),
  };
}
