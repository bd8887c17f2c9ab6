import type { environmentSources } from '../../config/gateway-config';
import type { EnvironmentOverrides } from '../../kubernetes/environment-overrides';
import { isDnsLabel } from '../../kubernetes/kubernetes-names';
import type { Namespaces } from '../../kubernetes/namespaces';
import { labelOf } from '../../signal/labels';
import { Recent } from '../../signal/recent';
import type { Signal } from '../../signal/signal';

export type EnvironmentSource = (typeof environmentSources)[number] | 'default';

export interface Environment {
  readonly environment: string;
  /** Which source answered. */
  readonly environmentSource: EnvironmentSource;
}

export interface EnvironmentRules {
  /** Asked in this order; the first that has a valid value answers. */
  readonly sources: readonly Exclude<EnvironmentSource, 'default'>[];
  readonly namespaceLabels: readonly string[];
  readonly namespacePatterns: readonly { readonly pattern: string; readonly environment: string }[];
  readonly defaultEnvironment: string;
}

/** The alert label that names an environment. */
const alertLabel = 'environment';
/** There are few environments, and they are asked for with every signal. */
const maxSaid = 1_000;
const maxSaidLength = 128;

/** Says in which environment a signal happened, from what is watched: no call, and a change counts at once. */
export class EnvironmentClassifier {
  /** What sources say, and what it is as an environment. */
  private readonly said = new Recent<string, string | undefined>(maxSaid);
  private readonly patterns: readonly { readonly pattern: RegExp; readonly environment: string }[];

  constructor(
    private readonly rules: EnvironmentRules,
    private readonly namespaces: Namespaces,
    private readonly overrides: EnvironmentOverrides,
  ) {
    this.patterns = rules.namespacePatterns.map(({ pattern, environment }) => ({
      pattern: new RegExp(pattern),
      environment,
    }));
  }

  /** Resolves once the sources are known; a source that is not known yet must not be taken for one that says nothing. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.namespaces.cache.synced && this.overrides.cache.synced) return;
    await Promise.all([this.namespaces.cache.whenSynced(signal), this.overrides.cache.whenSynced(signal)]);
  }

  classify(signal: Signal): Environment {
    for (const source of this.rules.sources) {
      const environment = this.usable(this.ask(source, signal));
      if (environment !== undefined) return { environment, environmentSource: source };
    }
    return { environment: this.rules.defaultEnvironment, environmentSource: 'default' };
  }

  /** What cannot be a label value cannot be put on the request; the next source may say something usable. */
  private usable(said: string | undefined): string | undefined {
    if (said === undefined) return undefined;
    // A sender may say anything, of any length.
    return said.length > maxSaidLength ? environmentOf(said) : this.said.of(said, environmentOf);
  }

  private ask(source: Exclude<EnvironmentSource, 'default'>, signal: Signal): string | undefined {
    switch (source) {
      case 'configmap':
        return this.overrides.environmentOf(signal.namespace);
      case 'namespace_label':
        for (const label of this.rules.namespaceLabels) {
          const value = this.namespaces.label(signal.namespace, label);
          if (value !== undefined && value !== '') return value;
        }
        return undefined;
      case 'alert_label':
        return labelOf(signal.labels, alertLabel);
      case 'namespace_pattern':
        return this.patterns.find(({ pattern }) => isDnsLabel(signal.namespace) && pattern.test(signal.namespace))
          ?.environment;
    }
  }
}

function environmentOf(said: string): string | undefined {
  const environment = said.trim().toLowerCase();
  return isDnsLabel(environment) ? environment : undefined;
}
