import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { GatewayConfig } from '../config/gateway-config';
import { KubernetesApi } from '../kubernetes/kubernetes-api';
import { silentLog } from '../logging/log-sink';
import { packageFile } from '../package-file';

const crds = packageFile('charts', 'kubernaut-gateway', 'crds');
const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const callMs = 10_000;

/**
 * Brings the CRD of this version into the cluster, as `kubectl apply --server-side --force-conflicts` does: helm installs a CRD and
 * never changes it. Answers what it has brought.
 */
export async function applyCrd({ kubernetes }: GatewayConfig): Promise<readonly string[]> {
  const { kubeconfig, context, connections } = kubernetes;
  const api = await KubernetesApi.connect({ kubeconfig, context, connections, callTimeoutMs: callMs }, silentLog);
  try {
    const applied: string[] = [];
    for (const file of readdirSync(crds).sort()) {
      const body = parse(readFileSync(join(crds, file), 'utf8')) as { readonly metadata: { readonly name: string } };
      const { name } = body.metadata;
      await api.call('PATCH', `${path}/${name}?fieldManager=kubernaut-gateway&force=true`, {
        body,
        contentType: 'application/apply-patch+yaml',
      });
      applied.push(name);
    }
    return applied;
  } finally {
    await api.close();
  }
}
