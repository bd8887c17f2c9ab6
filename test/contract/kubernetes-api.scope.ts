import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Answered, ApiUnderTest, WatchEvent } from '../support/api-under-test';

interface Named {
  readonly metadata: { readonly name: string };
}

export interface CustomResourceDefinition {
  metadata: { name: string };
  spec: { group: string };
}

export const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
export const ownAudience = 'https://kubernetes.default.svc';
export const rbac = 'rbac.authorization.k8s.io';

const crdManifest = readFileSync(
  join(__dirname, '../../charts/kubernaut-gateway/crds/remediation.kubernaut.io_remediationrequests.yaml'),
  'utf8',
);

export function remediationRequestCrd(): CustomResourceDefinition {
  return parse(crdManifest) as CustomResourceDefinition;
}

/** What the parts of the contract share: a server, a namespace on it, and short words for calls. */
export class ContractScope {
  /** There from the first spec on. */
  api!: ApiUnderTest;
  /** In every name that is the cluster's: one that was there before keeps what it has. */
  readonly id = Date.now().toString(36);
  readonly home = `contract-${this.id}`;
  readonly allRequests = '/apis/remediation.kubernaut.io/v1/remediationrequests';
  readonly requests = `/apis/remediation.kubernaut.io/v1/namespaces/${this.home}/remediationrequests`;
  readonly configMaps = `/api/v1/namespaces/${this.home}/configmaps`;
  readonly accounts = `/api/v1/namespaces/${this.home}/serviceaccounts`;

  readonly call = (...args: Parameters<ApiUnderTest['call']>): Promise<Answered> => this.api.call(...args);

  readonly merge = (path: string, patch: object): Promise<Answered> =>
    this.call('PATCH', path, patch, { contentType: 'application/merge-patch+json' });

  /** Creates a request, strictly. */
  readonly create = (name: string, more: object = {}, labels: Record<string, string> = {}): Promise<Answered> =>
    this.call('POST', `${this.requests}?fieldValidation=Strict`, request(name, more, labels));

  /** All events of a watch, when the server has ended it. */
  readonly eventsOf = async (path: string): Promise<WatchEvent[]> => {
    const events: WatchEvent[] = [];
    for await (const event of this.api.watch(path)) events.push(event);
    return events;
  };
}

export function request(name: string, more: object = {}, labels: Record<string, string> = {}) {
  return {
    apiVersion: 'remediation.kubernaut.io/v1',
    kind: 'RemediationRequest',
    metadata: { name, labels },
    spec: {
      alertName: 'A',
      severity: 'critical',
      priority: 'P1',
      environment: 'test',
      resource: { kind: 'Pod', name: 'a' },
      fingerprint: '0'.repeat(64),
      metadata: { source: 'prometheus' },
      ...more,
    },
  };
}

export function namespace(name: string, metadata: object = {}) {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...metadata } };
}

export function configMap(name: string, more: object = {}, metadata: object = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, ...more };
}

export function namesOf({ body }: Answered): string[] {
  return body.items.map(({ metadata }: Named) => metadata.name);
}

export function shown({ type, object }: WatchEvent): string {
  return `${type} ${object.metadata.name}`;
}
