// A real API server with etcd, as specs start them, and in it what the gateway finds in production: the CRD of the chart, its account and
// roles, and a sender. The support of the specs is TypeScript, which is compiled as it is loaded.
import { createRequire } from 'node:module';
import { transformFileSync } from '@swc/core';

const require = createRequire(import.meta.url);
require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file).code, file);
const { startKubeApiServer } = require('../support/kube-apiserver.ts');
const { ClusterAdmin, crdFile, manifests, namespace, senderForAll } = require('../support/cluster-admin.ts');

const collection = '/apis/remediation.kubernaut.io/v1/remediationrequests';

export class Cluster {
  static async start() {
    const server = await startKubeApiServer();
    const admin = new ClusterAdmin(server);
    const sender = { name: 'alertmanager', namespace: 'monitoring' };
    await admin.create(
      ...['kubernaut-system', 'monitoring'].map((name) => namespace(name)),
      namespace('shop', { environment: 'production' }),
      ...manifests(crdFile),
      ...manifests('docs/rbac.yaml'),
      ...senderForAll(sender),
    );
    const tokens = {
      gateway: await admin.token('kubernaut-system', 'gateway-sa'),
      sender: await admin.token('monitoring', 'alertmanager', ['kubernaut-gateway']),
    };
    return new Cluster(server, admin, tokens);
  }

  constructor(server, admin, tokens) {
    Object.assign(this, { server, admin, tokens });
  }

  /** For a bearer of the gateway's token. */
  get kubeconfig() {
    return this.server.kubeconfig(this.tokens.gateway, 'kubernaut-system');
  }

  /** How many requests there are, and one of them. */
  async requests() {
    const { items, metadata } = await this.admin.call('GET', `${collection}?limit=1`);
    return { count: items.length + (metadata.remainingItemCount ?? 0), first: items[0] };
  }

  async close() {
    await this.admin.close();
    await this.server.close();
  }
}
