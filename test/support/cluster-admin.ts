import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request, type Dispatcher } from 'undici';
import { parseAllDocuments } from 'yaml';
import type { KubeApiServer } from './kube-apiserver';

export interface ClusterObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** The plural of the kinds that specs create. */
const plurals: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  ResourceQuota: 'resourcequotas',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  CustomResourceDefinition: 'customresourcedefinitions',
  RemediationRequest: 'remediationrequests',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
  ValidatingWebhookConfiguration: 'validatingwebhookconfigurations',
  PriorityLevelConfiguration: 'prioritylevelconfigurations',
  FlowSchema: 'flowschemas',
};

const project = join(__dirname, '..', '..');

/** What an administrator does in a real cluster, for specs. */
export class ClusterAdmin {
  private readonly dispatcher: Agent;

  constructor(private readonly server: KubeApiServer) {
    this.dispatcher = new Agent({ connect: { ca: server.ca } });
  }

  async close(): Promise<void> {
    await this.dispatcher.close();
  }

  /** @throws Error for an answer that is not 2xx */
  async call<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<T> {
    const { statusCode, body: answer } = await request(this.server.url + path, {
      method,
      dispatcher: this.dispatcher,
      headers: { authorization: `Bearer ${this.server.adminToken}`, 'content-type': contentType },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (statusCode > 299) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Creates objects, one after the other; what exists already stays. */
  async create(...objects: readonly ClusterObject[]): Promise<void> {
    for (const object of objects) {
      try {
        await this.call('POST', collectionOf(object), object);
      } catch (error) {
        if (!String(error).includes('AlreadyExists')) throw error;
      }
    }
  }

  async delete(object: ClusterObject): Promise<void> {
    await this.call('DELETE', pathOf(object));
  }

  patch(object: ClusterObject, patch: object, subresource = ''): Promise<unknown> {
    return this.call('PATCH', pathOf(object) + subresource, patch, 'application/merge-patch+json');
  }

  /** A token as `kubectl create token` has it; without audiences one for the API server. */
  async token(namespace: string, account: string, audiences: readonly string[] = []): Promise<string> {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences } };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    return (await this.call<{ status: { token: string } }>('POST', path, body)).status.token;
  }
}

/** The objects of a YAML file of this project, e.g. `docs/rbac.yaml`. */
export function manifests(file: string): ClusterObject[] {
  return parseAllDocuments(readFileSync(join(project, file), 'utf8')).map(
    (document) => document.toJS() as ClusterObject,
  );
}

export const crdFile = 'charts/kubernaut-gateway/crds/remediation.kubernaut.io_remediationrequests.yaml';

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): ClusterObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...{ labels } } };
}

function pathOf(object: ClusterObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

function collectionOf({ apiVersion, kind, metadata }: ClusterObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${root}${place}/${plurals[kind] ?? kind}`;
}

/** A ServiceAccount that may send signals for every namespace. */
export function senderForAll(account: { readonly namespace: string; readonly name: string }): ClusterObject[] {
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'sender' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'gateway-signal-sender' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    } as ClusterObject,
  ];
}
