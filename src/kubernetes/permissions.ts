import { remediationRequests } from './remediation-request';

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

/** What the configuration asks of the cluster. */
export interface ClusterNeeds {
  readonly overrides: OverridesPlace;
  /** Whether incidents are told apart by who owns an object. */
  readonly owners?: boolean;
  /** The namespace of the Lease by which one replica watches events; absent when none does. */
  readonly eventWatchIn?: string;
}

/** The Lease of the replica that watches events. */
export const eventWatchLease = 'kubernaut-gateway-event-watch';

/**
 * All that the gateway may do, and nothing else: the self-check asks for each of these, and the roles of the chart and of
 * docs/rbac.yaml are generated from them. It can never change a spec, nor delete anything.
 */
export function neededPermissions({ overrides, owners, eventWatchIn }: ClusterNeeds): readonly Permission[] {
  const requests = { group: remediationRequests.group, resource: remediationRequests.plural, essential: true };
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
    ...(owners === true ? ownerPermissions : []),
    ...(eventWatchIn === undefined ? [] : eventPermissions(eventWatchIn)),
  ];
}

const ownerPermissions: readonly Permission[] = [
  { group: '', resource: 'pods' },
  { group: 'apps', resource: 'replicasets' },
  { group: 'batch', resource: 'jobs' },
].flatMap((what) =>
  ['get', 'list', 'watch'].map((verb) => ({
    ...what,
    verb,
    neededFor: 'to find the workloads that own objects',
    essential: false,
  })),
);

function eventPermissions(namespace: string): Permission[] {
  const lease = { group: 'coordination.k8s.io', resource: 'leases', namespace, essential: false };
  const neededFor = 'to let one replica watch events';
  return [
    ...['list', 'watch'].map((verb) => ({
      group: '',
      resource: 'events',
      verb,
      neededFor: 'to watch the events of the cluster',
      essential: false,
    })),
    // A name cannot restrict what is to be created.
    { ...lease, verb: 'create', neededFor },
    ...['get', 'update'].map((verb) => ({ ...lease, name: eventWatchLease, verb, neededFor })),
  ];
}

/** What a sender needs: this, in each namespace that it sends signals for, or in the cluster. */
export const sendSignals = { group: 'gateway.kubernaut.io', resource: 'signals', verb: 'create' } as const;

/** As an administrator reads it, e.g. `create remediationrequests.remediation.kubernaut.io`. */
export function inWords({ verb, group, resource, subresource, namespace }: Permission): string {
  const what = `${resource}${group === '' ? '' : `.${group}`}${subresource ? `/${subresource}` : ''}`;
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`;
}
