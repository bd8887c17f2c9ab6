import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { cachedTool } from './cached-tool';

export const chart = join(__dirname, '../../charts/kubernaut-gateway');

/** The helm binary: as scripts/lib/go-tools.mjs builds it, or on the PATH. */
export function helmBinary(): string {
  return cachedTool('helm', 'helm.sh/helm/v3');
}

/** Runs the real helm, with these values for what takes any. Throws what it printed when it fails. */
export function helm(args: readonly string[], values?: object): string {
  const { status, stdout, stderr, error } = spawnSync(
    helmBinary(),
    [...args, ...(values === undefined ? [] : ['--values', '-'])],
    {
      encoding: 'utf8',
      // JSON is YAML.
      input: JSON.stringify(values ?? {}),
      // Nobody's settings, repositories or cluster.
      env: { PATH: process.env.PATH, HOME: '/nonexistent', KUBECONFIG: '/dev/null' },
    },
  );
  if (status !== 0) throw error ?? new Error(`helm ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** The manifests of the chart with these values, as text. */
export function renderedText(values: object = {}): string {
  return helm(['template', 'gateway', chart, '--namespace', 'kubernaut-system'], values);
}

/** The manifests of the chart with these values. */
export function rendered(values: object = {}): Manifest[] {
  return parseAllDocuments(renderedText(values))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** A manifest is what its kind makes it; a spec states what it expects of it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Manifest = Record<string, any> & {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels: Record<string, string> };
};

export function one(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter(
    (manifest) => manifest.kind === kind && (name ?? manifest.metadata.name) === manifest.metadata.name,
  );
  if (found.length !== 1) throw new Error(`there are ${found.length} of ${kind} ${name ?? ''}`);
  return found[0]!;
}

/** The pods that a chart's objects make. */
export function pods(manifests: readonly Manifest[]): Manifest[] {
  return manifests.flatMap((manifest) => {
    if (manifest.kind === 'Pod') return [manifest];
    if (manifest.kind !== 'Deployment') return [];
    const template = (manifest.spec as { template: Manifest }).template;
    const { name, namespace } = manifest.metadata;
    return [
      { ...template, apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name, namespace } },
    ] as Manifest[];
  });
}
