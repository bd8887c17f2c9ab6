import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chartNamespaces, chartVariants } from '../support/chart-variants';
import { chart, pods, rendered, renderedText } from '../support/helm';
import { startKubeApiServer, type KubeApiServer } from '../support/kube-apiserver';
// Runs kubectl, which its own function gives no credentials.
import '../support/kubectl';
import { certManagerCrds, prometheusOperatorCrds } from '../support/foreign-crds';

/** A namespace as careful operators have it. */
const restricted = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
};

describe('a real API server, in a namespace of restricted pods,', () => {
  let server: KubeApiServer;
  let directory: string;
  let kubeconfig: string;
  beforeAll(async () => {
    server = await startKubeApiServer();
    directory = mkdtempSync(join(tmpdir(), 'chart-'));
    kubeconfig = server.kubeconfig(server.adminToken);
    const names = ['kubernaut-system', ...chartNamespaces];
    const namespaces = names.map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: restricted },
    }));
    await apply(listOf(namespaces));
    const crds = [prometheusOperatorCrds, certManagerCrds, join(chart, 'crds')];
    await kubectl('apply', '--server-side', ...crds.flatMap((folder) => ['-f', folder]));
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s');
  }, 90_000);
  afterAll(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });

  async function kubectl(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const env = { PATH: process.env.PATH, HOME: directory, KUBECONFIG: kubeconfig };
      execFile('kubectl', args, { env }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${stdout}${stderr}`));
        else resolve(stdout + stderr);
      });
    });
  }

  let applied = 0;
  async function apply(manifests: string, ...args: string[]): Promise<string> {
    const file = join(directory, `${++applied}.yaml`);
    writeFileSync(file, manifests);
    return kubectl('apply', '--validate=strict', '-f', file, ...args);
  }

  it.each(Object.entries(chartVariants))('takes each object of %s, and its pods', async (_, values) => {
    const output = await apply(renderedText(values), '--dry-run=server');
    const answers = output.trim().split('\n');
    // A warning, such as of a pod that would be refused, is a line that ends otherwise.
    expect(answers.filter((line) => !line.endsWith('(server dry run)'))).toEqual([]);
    const objects = rendered(values);
    expect(answers).toHaveLength(objects.length);
    const refused = await apply(listOf(pods(objects)), '--dry-run=server');
    expect(refused).not.toContain('Warning');
  });
});

/** JSON is YAML. */
function listOf(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
