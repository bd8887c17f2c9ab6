import { assert, dictionary, property, string } from 'fast-check';
import { findTarget, type Target } from './target-resource';

const of = (labels: Record<string, string>): Target => findTarget(labels, 'default');
const shortOf = (labels: Record<string, string>): string => {
  const { resource, namespace } = of(labels);
  return `${resource.kind} ${resource.name} in ${namespace === '' ? 'no namespace' : namespace}`;
};

/** The labels that Prometheus adds for what it scraped. */
const seenByStateMetrics = {
  job: 'kube-state-metrics',
  instance: '10.0.3.7:8080',
  namespace: 'monitoring',
  pod: 'kube-prometheus-stack-kube-state-metrics-5d9c8-abcde',
  service: 'kube-prometheus-stack-kube-state-metrics',
  container: 'kube-state-metrics',
  endpoint: 'http',
};
const seenByNodeExporter = {
  job: 'node-exporter',
  instance: '10.0.3.7:9100',
  namespace: 'monitoring',
  pod: 'node-exporter-x2x1',
  service: 'node-exporter',
  container: 'node-exporter',
};
/** kube-state-metrics scraped with honor_labels: the labels of the metric win over those of the scrape. */
const honoured = (labels: Record<string, string>) => ({ ...seenByStateMetrics, ...labels });

describe('findTarget', () => {
  it.each([
    ['horizontalpodautoscaler', 'HorizontalPodAutoscaler', 'autoscaling/v2'],
    ['poddisruptionbudget', 'PodDisruptionBudget', 'policy/v1'],
    ['persistentvolumeclaim', 'PersistentVolumeClaim', 'v1'],
    ['cronjob', 'CronJob', 'batch/v1'],
    ['job_name', 'Job', 'batch/v1'],
    ['deployment', 'Deployment', 'apps/v1'],
    ['statefulset', 'StatefulSet', 'apps/v1'],
    ['daemonset', 'DaemonSet', 'apps/v1'],
    ['replicaset', 'ReplicaSet', 'apps/v1'],
    ['pod', 'Pod', 'v1'],
  ])('takes the label %s alone for a %s', (label, kind, apiVersion) => {
    const resource = { kind, name: 'x', apiVersion };
    expect(of({ [label]: 'x', namespace: 'prod' })).toEqual({ resource, namespace: 'prod', specific: true });
    expect(of({ [label]: 'x' })).toEqual({ resource, namespace: 'default', specific: true });
    expect(of({ [`exported_${label}`]: 'y', [label]: 'x' }).resource.name).toBe('y');
  });

  it('takes a node for one that needs no namespace', () => {
    expect(of({ node: 'worker-3' })).toEqual({
      resource: { kind: 'Node', name: 'worker-3', apiVersion: 'v1' },
      namespace: '',
      specific: true,
    });
  });

  it('takes a namespace alone for a target that does not tell incidents apart', () => {
    expect(of({ namespace: 'prod', service: 'a' })).toEqual({
      resource: { kind: 'Namespace', name: 'prod', apiVersion: 'v1' },
      namespace: 'prod',
      specific: false,
    });
  });

  it.each([
    [{}],
    [{ job: 'api', instance: '10.0.0.1:80', service: 'api', endpoint: 'http', container: 'app' }],
    [{ pod: '', namespace: '', node: '' }],
  ])('finds nothing in %j', (labels) => {
    expect(of({ alertname: 'X', ...labels })).toEqual({
      resource: { kind: 'Unknown', name: 'unknown' },
      namespace: '',
      specific: false,
    });
  });

  it('lets the most specific of all labels win, in the order of the contract', () => {
    const order = [
      'horizontalpodautoscaler',
      'poddisruptionbudget',
      'persistentvolumeclaim',
      'cronjob',
      'job_name',
      'deployment',
      'statefulset',
      'daemonset',
      'replicaset',
      'pod',
      'node',
      'namespace',
    ];
    for (const [i, label] of order.entries()) {
      const labels = Object.fromEntries(order.slice(i).map((name) => [name, `the-${name}`]));
      expect(of(labels).resource.name).toBe(`the-${label}`);
    }
  });

  it('reads an empty label as one that is not there', () => {
    expect(shortOf({ deployment: '', pod: 'api-1', namespace: 'prod' })).toBe('Pod api-1 in prod');
    expect(shortOf({ exported_pod: '', pod: 'api-1', namespace: 'prod' })).toBe('Pod api-1 in prod');
  });

  describe('of what an exporter saw', () => {
    it.each([
      ['a pod, honor_labels', honoured({ pod: 'api-1', namespace: 'prod' }), 'Pod api-1 in prod'],
      ['a pod and its container', honoured({ pod: 'api-1', namespace: 'prod', container: 'app' }), 'Pod api-1 in prod'],
      ['a deployment, honor_labels', honoured({ deployment: 'api', namespace: 'prod' }), 'Deployment api in prod'],
      ['a namespace, honor_labels', honoured({ namespace: 'prod' }), 'Namespace prod in prod'],
      ['a node', honoured({ node: 'worker-3' }), 'Node worker-3 in no namespace'],
      [
        'a pod, without honor_labels',
        { ...seenByStateMetrics, exported_pod: 'api-1', exported_namespace: 'prod' },
        'Pod api-1 in prod',
      ],
      [
        'a deployment, without honor_labels',
        { ...seenByStateMetrics, deployment: 'api', exported_namespace: 'prod' },
        'Deployment api in prod',
      ],
      [
        'a job, without honor_labels',
        { ...seenByStateMetrics, job_name: 'backup-1', exported_job: 'x', exported_namespace: 'prod' },
        'Job backup-1 in prod',
      ],
      ['a node by its exporter', { ...seenByNodeExporter, node: 'worker-3' }, 'Node worker-3 in no namespace'],
      ['a machine that is named by its address only', seenByNodeExporter, 'Unknown unknown in no namespace'],
    ])('finds %s', (_, labels, expected) => {
      expect(shortOf(labels)).toBe(expected);
    });

    it.each([
      'kube-state-metrics-0',
      'prometheus-node-exporter-abcde',
      'prometheus-k8s-0',
      'alertmanager-main-1',
      'grafana-7f9c-x2x1',
    ])('never takes %s for the target', (pod) => {
      expect(of({ pod, namespace: 'monitoring' }).resource.kind).not.toBe('Pod');
    });

    it('knows an exporter by the service that was scraped when its pod is called otherwise', () => {
      const labels = { pod: 'metrics-5d9c8-abcde', service: 'metrics', job: 'kube-state-metrics', namespace: 'ops' };
      expect(of(labels).resource.kind).toBe('Namespace');
      expect(shortOf({ ...labels, node: 'worker-3' })).toBe('Node worker-3 in no namespace');
    });

    it.each(['grafanalytics-1', 'myprometheus-1', 'alertmanagers-0'])(
      'takes %s for what it is: its name only begins or ends like an exporter',
      (pod) => {
        expect(shortOf({ pod, namespace: 'prod' })).toBe(`Pod ${pod} in prod`);
      },
    );
  });

  it.each(['../../etc/passwd', '%2e%2e%2f', 'a b', 'größe', '\u0000', '-', 'x'.repeat(1_000_000)])(
    'hands a value on as it is, however strange (%#)',
    (value) => {
      expect(of({ pod: value, namespace: value })).toMatchObject({ resource: { name: value }, namespace: value });
    },
  );

  it('finds exactly one target in whatever labels, and one that tells incidents apart has a name', () => {
    const names = ['pod', 'namespace', 'exported_namespace', 'exported_pod', 'node', 'service', 'job', 'deployment'];
    const labels = dictionary(string(), string());
    assert(
      property(labels, string(), string(), (others, a, b) => {
        const entries = names.map((name, i): [string, string] => [name, i % 2 === 0 ? a : b]);
        const found = findTarget({ ...others, ...Object.fromEntries(entries) }, 'default');
        expect(found.resource.name).not.toBe('');
        expect(found.specific).toBe(!['Unknown', 'Namespace'].includes(found.resource.kind));
      }),
    );
  });
});
