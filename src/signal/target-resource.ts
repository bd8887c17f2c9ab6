import { labelOf, type Labels } from './labels';

/** The Kubernetes object that a signal is about. */
export interface TargetResource {
  readonly kind: string;
  readonly name: string;
  readonly apiVersion?: string;
}

export interface Target {
  readonly resource: TargetResource;
  /** Empty for a target without a namespace. */
  readonly namespace: string;
  /**
   * Whether the labels name an object of their own. If not (`Unknown`, or the namespace alone), the object does not tell
   * incidents apart, and the other labels must.
   */
  readonly specific: boolean;
}

/** A label, and what the metric's own is called where both exist: of every alert all of them are looked up. */
interface TargetLabel {
  readonly label: string;
  readonly exported: string;
}

interface WorkloadLabel extends TargetLabel {
  readonly kind: string;
  readonly apiVersion: string;
}

function targetLabel(label: string): TargetLabel {
  return { label, exported: `exported_${label}` };
}

/** Labels that name the target, the most specific first. */
const workloadLabels: readonly WorkloadLabel[] = [
  { ...targetLabel('horizontalpodautoscaler'), kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v2' },
  { ...targetLabel('poddisruptionbudget'), kind: 'PodDisruptionBudget', apiVersion: 'policy/v1' },
  { ...targetLabel('persistentvolumeclaim'), kind: 'PersistentVolumeClaim', apiVersion: 'v1' },
  { ...targetLabel('cronjob'), kind: 'CronJob', apiVersion: 'batch/v1' },
  { ...targetLabel('job_name'), kind: 'Job', apiVersion: 'batch/v1' },
  { ...targetLabel('deployment'), kind: 'Deployment', apiVersion: 'apps/v1' },
  { ...targetLabel('statefulset'), kind: 'StatefulSet', apiVersion: 'apps/v1' },
  { ...targetLabel('daemonset'), kind: 'DaemonSet', apiVersion: 'apps/v1' },
  { ...targetLabel('replicaset'), kind: 'ReplicaSet', apiVersion: 'apps/v1' },
  { ...targetLabel('pod'), kind: 'Pod', apiVersion: 'v1' },
];

/** By each label and its `exported_` one, the one to be read first of the lower rank. */
const workloadsByLabel = new Map(
  workloadLabels.flatMap((workload, i) => [
    [workload.exported, { ...workload, rank: 2 * i }],
    [workload.label, { ...workload, rank: 2 * i + 1 }],
  ]),
);

/** Kinds of which every object is in a namespace. */
export const namespacedKinds: ReadonlySet<string> = new Set([
  ...workloadLabels.map(({ kind }) => kind),
  'Service',
  'Endpoints',
  'Ingress',
  'ConfigMap',
  'Secret',
]);

/** Kinds of Kubernetes itself of which no object is in a namespace, in lower case: what acts on them may not mind how they are written. */
const clusterWideKinds: ReadonlySet<string> = new Set([
  'apiservice',
  'certificatesigningrequest',
  'clusterrole',
  'clusterrolebinding',
  'csidriver',
  'csinode',
  'customresourcedefinition',
  'flowschema',
  'ingressclass',
  'mutatingwebhookconfiguration',
  'node',
  'persistentvolume',
  'priorityclass',
  'prioritylevelconfiguration',
  'runtimeclass',
  'storageclass',
  'validatingadmissionpolicy',
  'validatingadmissionpolicybinding',
  'validatingwebhookconfiguration',
  'volumeattachment',
]);

/** Whether objects of this kind are in no namespace, whatever else is said of one. A Namespace belongs to itself. */
export function isClusterWide(kind: string): boolean {
  return clusterWideKinds.has(kind.toLowerCase());
}

/** The label that names an object of this kind, e.g. `pod`. */
export function labelOfKind(kind: string): string | undefined {
  return kind === 'Node' ? 'node' : workloadLabels.find((workload) => workload.kind === kind)?.label;
}

/** Labels that name an object, whatever is wrong with it; `exported_` ones do as well. */
export const targetLabels: readonly string[] = [...workloadLabels.map(({ label }) => label), 'node'];

const nodeLabel = targetLabel('node');
const namespaceLabel = targetLabel('namespace');

/** Of a signal about no known object; empty where it names no namespace either. */
export function unknownTarget(namespace = ''): Target {
  return { resource: { kind: 'Unknown', name: 'unknown' }, namespace, specific: false };
}

/** What is scraped to learn about other things, by the names that it is deployed under. */
const exporterName = /(^|-)(kube-state-metrics|node-exporter|prometheus|alertmanager|grafana)(-|$)/;
const stateMetricsName = /(^|-)kube-state-metrics(-|$)/;

/**
 * Finds the object that an alert is about.
 *
 * Prometheus adds the labels of what it scraped to those of the metric, so `pod` and `namespace` may be the exporter's.
 * Where both exist, the metric's own is called `exported_<label>` and is read first; an exporter's pod is never a target
 * (contract, section 4).
 */
export function findTarget(labels: Labels, defaultNamespace: string): Target {
  const exporter = exporterOf(labels);
  const namespace = own(labels, namespaceLabel);

  const workload = workloadOf(labels, exporter !== undefined);
  if (workload !== undefined) return { resource: workload, namespace: namespace ?? defaultNamespace, specific: true };

  const scope = namespaceOfScope(labels, exporter, namespace);
  const node = own(labels, nodeLabel);
  if (node !== undefined) {
    // Without an object of its own, an exporter's namespace says where the exporter runs, not what is wrong.
    const aboutNamespace = exporter === undefined ? namespace : own(labels, namespaceLabel, 'exported');
    return {
      resource: { kind: 'Node', name: node, apiVersion: 'v1' },
      namespace: aboutNamespace ?? '',
      specific: true,
    };
  }
  if (scope !== undefined) {
    return { resource: { kind: 'Namespace', name: scope, apiVersion: 'v1' }, namespace: scope, specific: false };
  }
  return unknownTarget();
}

/** The target of an alert that is about no object, whatever its labels name: their namespace says whose it is. */
export function targetWithoutObject(labels: Labels): Target {
  return unknownTarget(own(labels, namespaceLabel));
}

/** The most specific workload that a label names: each label is looked at once, for most of those that could name one are absent. */
function workloadOf(labels: Labels, isPodOfExporter: boolean): TargetResource | undefined {
  let best: (WorkloadLabel & { readonly rank: number }) | undefined;
  let name = '';
  for (const label in labels) {
    const found = workloadsByLabel.get(label);
    if (found === undefined || (best !== undefined && found.rank > best.rank)) continue;
    const value = labelOf(labels, label) ?? '';
    if (value === '' || (isPodOfExporter && label === 'pod')) continue;
    best = found;
    name = value;
  }
  return best && { kind: best.kind, name, apiVersion: best.apiVersion };
}

/** The value of `exported_<label>`, else of the label itself; an empty value is none, as in Prometheus. */
function own(labels: Labels, { label, exported }: TargetLabel, only?: 'exported'): string | undefined {
  return labelOf(labels, exported) || (only === undefined ? labelOf(labels, label) || undefined : undefined);
}

/**
 * The name of the exporter whose pod the label `pod` names, if it does.
 *
 * `job` or `container` alone prove nothing: kube-state-metrics keeps the pod of the metric and adds its own job. So the
 * pod itself is called like an exporter, or it is named after a scraped service that is one by another label.
 */
function exporterOf(labels: Labels): string | undefined {
  const pod = labelOf(labels, 'pod');
  if (pod === undefined || pod === '') return undefined;
  if (exporterName.test(pod)) return pod;
  const service = labelOf(labels, 'service');
  if (service === undefined || service === '' || !pod.startsWith(`${service}-`)) return undefined;
  return ['container', 'job', 'app', 'app_kubernetes_io_name', 'service']
    .map((label) => labelOf(labels, label))
    .find((value) => value !== undefined && exporterName.test(value));
}

/** The namespace as a target: kube-state-metrics reports on namespaces other than its own, other exporters do not. */
function namespaceOfScope(
  labels: Labels,
  exporter: string | undefined,
  namespace: string | undefined,
): string | undefined {
  if (exporter === undefined || stateMetricsName.test(exporter)) return namespace;
  return own(labels, namespaceLabel, 'exported');
}
