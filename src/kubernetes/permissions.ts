/** Something that the gateway must be allowed to do in the cluster. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  /** Absent: in every namespace, or of a resource that is in none. */
  readonly namespace?: string;
  readonly name?: string;
  /** What does not work without it, for who has to grant it. */
  readonly neededFor: string;
  /** Whether no signal can be taken without it. */
  readonly essential: boolean;
}

export interface OverridesPlace {
  readonly namespace: string;
  readonly name: string;
}

/**
 * All that the gateway may do, and nothing else: the self-check asks for each of these, and the roles of the chart and of
 * docs/rbac.yaml are generated from them. It can never change a spec, nor delete anything.
 */
export function neededPermissions(overrides: OverridesPlace): readonly Permission[] {
  const requests = { group: 'remediation.kubernaut.io', resource: 'remediationrequests', essential: true };
  return [
    { ...requests, verb: 'create', neededFor: 'to create RemediationRequests' },
    { ...requests, verb: 'get', neededFor: 'to read the request that has a name already' },
    { ...requests, verb: 'list', neededFor: 'to tell new signals from known ones' },
    { ...requests, verb: 'watch', neededFor: 'to follow what becomes of requests' },
    {
      ...requests,
      subresource: 'status',
      verb: 'patch',
      neededFor: 'to write counts and resolved signals',
      essential: false,
    },
    ...['list', 'watch'].map((verb) => ({
      group: '',
      resource: 'namespaces',
      verb,
      neededFor: 'to classify environments by namespace labels',
      essential: true,
    })),
    {
      group: 'authentication.k8s.io',
      resource: 'tokenreviews',
      verb: 'create',
      neededFor: 'to authenticate senders',
      essential: true,
    },
    {
      group: 'authorization.k8s.io',
      resource: 'subjectaccessreviews',
      verb: 'create',
      neededFor: 'to tell for which namespaces a sender may send',
      essential: true,
    },
    ...['list', 'watch'].map((verb) => ({
      group: '',
      resource: 'configmaps',
      verb,
      ...overrides,
      neededFor: 'to read the overrides of environments',
      essential: true,
    })),
  ];
}

/** What a sender needs: this, in each namespace that it sends signals for, or in the cluster. */
export const sendSignals = { group: 'gateway.kubernaut.io', resource: 'signals', verb: 'create' } as const;

/** As an administrator reads it, e.g. `create remediationrequests.remediation.kubernaut.io`. */
export function inWords({ verb, group, resource, subresource, namespace }: Permission): string {
  const what = `${resource}${group === '' ? '' : `.${group}`}${subresource ? `/${subresource}` : ''}`;
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`;
}
