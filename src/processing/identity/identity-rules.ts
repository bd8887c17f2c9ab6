import type { GatewayConfig } from '../../config/gateway-config';
import type { Identity } from '../../config/source-settings';
import type { IdentityRules } from '../../signal/fingerprint';

/** How the identity of an incident is computed, as configured. */
export function identityRulesOf({ fingerprint }: GatewayConfig, identity: Identity): IdentityRules {
  return {
    cluster: fingerprint.cluster,
    anyName: identity === 'object_only' || identity === 'owner_only',
    identityLabels: fingerprint.identityLabels,
    replicaLabels: new Set(fingerprint.replicaLabels),
  };
}
