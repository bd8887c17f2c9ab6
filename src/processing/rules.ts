import type { GatewayConfig } from '../config/gateway-config';
import { identityOf, isByOwner, sourceName } from '../config/identity';
import type { SourceSettings } from '../config/source-settings';
import type { IdentityRules } from '../signal/fingerprint';
import type { StormRules } from '../state/storm-windows';
import { identityRulesOf } from './identity/identity-rules';
import type { StormGrouping } from './storm/storm-group';
import { patternWindowMs, rateWindowMs } from './storm/storms';

/** Milliseconds for which a request that is over still carries its incident. */
export function cooldownOf({ cooldown, ttl }: GatewayConfig['deduplication']): number {
  return cooldown ?? ttl;
}

export function groupingOf(config: GatewayConfig['stormDetection'], cluster: string): StormGrouping {
  const { enabled, groupBy, excludeNamespaces, excludeAlerts } = config;
  return { enabled, groupBy, excludeNamespaces, excludeAlerts, cluster };
}

export function rulesOf(config: GatewayConfig['stormDetection']): StormRules {
  const { rateThreshold, patternThreshold, similarityThreshold, aggregationWindow, maxWindow } = config;
  return {
    rateThreshold,
    rateWindowMs,
    patternThreshold,
    patternWindowMs,
    similarityThreshold,
    aggregationWindowMs: aggregationWindow,
    maxWindowMs: maxWindow,
  };
}

/** Of the sources whose incidents are told apart by owner. */
export function ownerRulesOf(config: GatewayConfig): ReadonlyMap<string, IdentityRules> {
  const sources = Object.entries(config.adapters).map(([name, settings]: [string, SourceSettings]) => {
    return [sourceName(name), identityOf(config, settings)] as const;
  });
  return new Map(
    sources
      .filter(([, identity]) => isByOwner(identity))
      .map(([source, identity]) => [source, identityRulesOf(config, identity)]),
  );
}
