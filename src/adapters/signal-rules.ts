import type { GatewayConfig } from '../config/gateway-config';
import type { SourceSettings } from '../config/source-settings';
import { identityOf } from '../config/identity';
import { identityRulesOf } from '../processing/identity/identity-rules';
import type { IdentityRules } from '../signal/fingerprint';
import type { Severity } from '../signal/severity';

export const SIGNAL_RULES = Symbol('SignalRules');

/** What configuration says about reading signals of a source. */
export interface SignalRules extends IdentityRules {
  /** Of a signal that names a namespaced object and no namespace. */
  readonly defaultNamespace: string;
  readonly severityMapping: ReadonlyMap<string, Severity>;
}

export function signalRulesOf(config: GatewayConfig, settings: SourceSettings): SignalRules {
  return {
    ...identityRulesOf(config, identityOf(config, settings)),
    defaultNamespace: config.signals.defaultNamespace,
    severityMapping: new Map(Object.entries(config.signals.severityMapping) as [string, Severity][]),
  };
}
