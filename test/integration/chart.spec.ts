import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load-config';
import { roleRules } from '../../src/kubernetes/rbac-reference';
import { version } from '../../src/version';
import { chartVariants } from '../support/chart-variants';
import { chart, helm, one, pods, rendered, renderedText, type Manifest } from '../support/helm';

describe('the chart', () => {
  it.each(Object.entries(chartVariants))('has nothing that helm would mend: %s', (_, values) => {
    expect(helm(['lint', '--strict', chart], values)).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  it('is of the version of the gateway', () => {
    expect(parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version });
  });

  it('brings the names that operators know', () => {
    const objects = rendered();
    for (const [kind, name] of [
      ['Deployment', 'gateway-service'],
      ['Service', 'gateway-service'],
      ['ServiceAccount', 'gateway-sa'],
      ['ClusterRole', 'gateway-role'],
      ['ClusterRoleBinding', 'gateway-binding'],
      ['ClusterRole', 'gateway-signal-sender'],
      ['ConfigMap', 'kubernaut-config'],
    ] as const)
      expect(one(objects, kind, name).metadata.labels).toMatchObject({
        app: 'gateway-service',
        'app.kubernetes.io/name': 'kubernaut-gateway',
        'app.kubernetes.io/instance': 'gateway',
        'app.kubernetes.io/version': version,
        'app.kubernetes.io/managed-by': 'Helm',
      });
    const [{ env }] = gatewayOf(objects).containers;
    expect(env).toContainEqual({
      name: 'REDIS_PASSWORD',
      valueFrom: { secretKeyRef: { name: 'redis-credentials', key: 'password', optional: true } },
    });
    expect(one(objects, 'Service').spec.ports).toMatchObject([
      { name: 'http', port: 8080 },
      { name: 'metrics', port: 9090 },
    ]);
  });

  it.each(Object.entries(chartVariants))('says of each object whose it is: %s', (_, values) => {
    for (const { kind, metadata } of rendered(values)) {
      expect(metadata.labels).toMatchObject({
        app: expect.any(String),
        'app.kubernetes.io/name': expect.stringMatching(/^(kubernaut-gateway|redis)$/),
        'app.kubernetes.io/instance': 'gateway',
        'app.kubernetes.io/component': expect.any(String),
        'app.kubernetes.io/part-of': 'kubernaut',
        'app.kubernetes.io/managed-by': 'Helm',
        'helm.sh/chart': `kubernaut-gateway-${version}`,
      });
      expect(metadata.namespace === undefined).toBe(kind.startsWith('Cluster'));
    }
  });

  it.each(Object.entries(chartVariants))('gives the gateway a configuration that it accepts: %s', (_, values) => {
    expect(() => loadConfig({ env: secrets, defaults: fileOf(rendered(values)) })).not.toThrow();
  });

  it('hands the configuration through, with what only the chart knows', () => {
    const { config, ...others } = chartVariants.everything as { config: Record<string, object> };
    expect(fileOf(rendered({ ...others, config }))).toEqual({
      ...config,
      redis: { addr: 'kubernaut-gateway-redis:6379' },
      server: { ...config.server, tls: { enabled: true } },
    });
    expect(fileOf(rendered())).toEqual({ environment: { configmap_namespace: 'kubernaut-system' } });
    const own = { config: { redis: { addr: 'mine:6379' } }, bundledRedis: { enabled: true } };
    expect(fileOf(rendered(own))).toMatchObject({ redis: { addr: 'mine:6379' } });
  });

  it('refuses what is no value of it, or of the configuration, and says where', () => {
    const mistakes = {
      replicas: 3,
      config: { redis: { adress: 'x' } },
      senders: [{ kind: 'ServiceAccount', name: 'a' }],
    };
    expect(() => rendered(mistakes)).toThrow(
      /(?=[^]*replicas)(?=[^]*\/config\/redis': additional properties 'adress')(?=[^]*\/senders\/0': missing property 'namespace')/,
    );
  });

  it.each([
    [{ config: { priority: { fallback_table: { default: 'P9' } } } }, /fallback_table\/default/],
    [{ config: { priority: { fallback_table: { critical: 'P1' } } } }, /missing property 'default'/],
    [{ config: { signals: { severity_mapping: { page: 'fatal' } } } }, /severity_mapping\/page/],
    [{ config: { adapters: { kubernetes_event: { severities: { Evicted: 'high' } } } } }, /severities\/Evicted/],
    [{ service: { port: 99_999 } }, /service\/port/],
    [{ autoscaling: { enabled: true, minReplicas: 9, maxReplicas: 6 } }, /minReplicas is larger than/],
    [
      { podLabels: { 'app.kubernetes.io/component': 'x' } },
      /podLabels: app\.kubernetes\.io\/component is what the Service/,
    ],
  ])('refuses what the gateway or the API server would: %j', (values, message) => {
    expect(() => rendered(values)).toThrow(message);
  });

  it('makes no label of a long name that the API server refuses', () => {
    const objects = rendered({ fullnameOverride: 'a'.repeat(63), crdUpgrade: { enabled: true } });
    const labels = objects.flatMap(({ metadata }) => Object.values(metadata.labels));
    expect(labels.filter((label) => label.length > 63)).toEqual([]);
    expect(objects.filter(({ metadata: { name } }) => name.length > 63)).toEqual([]);
  });

  it('tells apart senders whose names differ in what a name of RBAC may not have, and takes one twice for one', () => {
    const users = ['team/a', 'team-a', 'team-a'].map((name) => ({ kind: 'User', name }));
    const bindings = rendered({ senders: users }).filter(
      ({ kind, roleRef }) => kind === 'ClusterRoleBinding' && roleRef.name === 'gateway-signal-sender',
    );
    expect(bindings.map(({ metadata: { name } }) => name)).toEqual([
      expect.stringMatching(/^gateway-signal-sender:user:team-a-[0-9a-f]{8}$/),
      'gateway-signal-sender:user:team-a',
    ]);
  });

  it('makes one binding of a sender in a namespace, however often it is listed', () => {
    const account = { kind: 'ServiceAccount', name: 'a', namespace: 'm' };
    const senders = [
      { ...account, namespaces: ['x', 'y'] },
      { ...account, namespaces: ['y', 'z', 'z'] },
    ];
    const bindings = rendered({ senders }).filter(
      ({ kind, roleRef }) => kind === 'RoleBinding' && roleRef.name === 'gateway-signal-sender',
    );
    expect(bindings.map(({ metadata: { namespace } }) => namespace)).toEqual(['x', 'y', 'z']);
  });

  it('says of its port what is spoken there', () => {
    const protocolOf = (values: object) =>
      one(rendered(values), 'Service', 'gateway-service').spec.ports[0].appProtocol;
    expect([protocolOf({}), protocolOf({ tls: { enabled: true, secretName: 'mine' } })]).toEqual(['http', 'https']);
  });

  it('puts no secret into a ConfigMap', () => {
    expect(() => rendered({ config: { redis: { password: 'hunter2' } } })).toThrow(/does not belong into a ConfigMap/);
    expect(() => rendered({ config: { redis: { sentinel_password: 'a${B}' } } })).toThrow(/config\.redis\.sentinel/);
    expect(fileOf(rendered({ config: { redis: { password: '${REDIS_PASSWORD}' } } }))).toMatchObject({
      redis: { password: '${REDIS_PASSWORD}' },
    });
    for (const values of Object.values(chartVariants)) expect(renderedText(values)).not.toMatch(/^kind: Secret$/m);
  });

  it('gives the gateway the rights that it needs, and no others', () => {
    const objects = rendered();
    const { cluster, overrides, sender } = roleRules();
    expect(one(objects, 'ClusterRole', 'gateway-role').rules).toEqual(cluster);
    expect(one(objects, 'Role', 'gateway-role').rules).toEqual(overrides);
    expect(one(objects, 'ClusterRole', 'gateway-signal-sender').rules).toEqual(sender);
    const elsewhere = rendered(chartVariants.everything);
    expect(one(elsewhere, 'Role', 'gateway-role')).toMatchObject({
      metadata: { namespace: 'platform' },
      rules: [{ resourceNames: ['environments'] }],
    });
    const rules = [...cluster, ...overrides, ...sender];
    expect(rules.flatMap(({ verbs, resources, apiGroups }) => [...verbs, ...resources, ...apiGroups])).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/\*|secrets|delete|update|impersonate|escalate|bind/)]),
    );
  });

  it('gives it the rights to find owners and to watch events only where that is configured', () => {
    const { cluster, owners, events, lease } = roleRules();
    const rulesWith = (config: object) => one(rendered({ config }), 'ClusterRole', 'gateway-role').rules as unknown;
    expect(rulesWith({ fingerprint: { identity: 'owner_only' } })).toEqual([...cluster, ...owners]);
    expect(rulesWith({ adapters: { grafana: { identity: 'owner' } } })).toEqual([...cluster, ...owners]);
    expect(rulesWith({ fingerprint: { identity: 'object_only' } })).toEqual(cluster);
    const watching = rendered({ config: { adapters: { kubernetes_event: { watch: true } } } });
    expect(one(watching, 'ClusterRole', 'gateway-role').rules).toEqual([...cluster, ...events]);
    expect(one(watching, 'Role', 'gateway-role-event-watch')).toMatchObject({
      metadata: { namespace: 'kubernaut-system' },
      rules: lease,
    });
  });

  it('serves TLS with a Secret of yours, or one that cert-manager makes', () => {
    const own = rendered({ tls: { enabled: true, secretName: 'mine' } });
    expect(own.map(({ kind }) => kind)).not.toContain('Certificate');
    expect(gatewayOf(own).volumes).toContainEqual({ name: 'tls', secret: { secretName: 'mine', defaultMode: 0o440 } });
    expect(fileOf(own)).toMatchObject({ server: { tls: { enabled: true } } });
    const { spec } = one(rendered(chartVariants.everything), 'Certificate');
    expect(spec).toMatchObject({ secretName: 'gateway-tls', issuerRef: { kind: 'ClusterIssuer', name: 'internal' } });
    expect(spec.dnsNames).toEqual(
      expect.arrayContaining(['kubernaut-gateway.kubernaut-system.svc', 'gateway.example.com']),
    );
    expect(() => rendered({ tls: { enabled: true, certManager: { enabled: true } } })).toThrow(/issuerRef: name the/);
    expect(gatewayOf(rendered()).containers[0].readinessProbe.httpGet).not.toHaveProperty('scheme');
  });

  it('lets senders send for the namespaces that are named, or for all', () => {
    const bindings = rendered(chartVariants.everything).filter(
      ({ roleRef }) => roleRef?.name === 'gateway-signal-sender',
    );
    expect(bindings.map(({ kind, metadata, subjects }) => [kind, metadata.namespace, subjects])).toEqual(
      expect.arrayContaining([
        ['ClusterRoleBinding', undefined, [{ kind: 'ServiceAccount', name: 'alertmanager', namespace: 'monitoring' }]],
        ['RoleBinding', 'shop', [{ kind: 'ServiceAccount', name: 'alertmanager', namespace: 'shop' }]],
        ['RoleBinding', 'shop-staging', [{ kind: 'ServiceAccount', name: 'alertmanager', namespace: 'shop' }]],
        [
          'ClusterRoleBinding',
          undefined,
          [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'https://idp.example.com#somebody' }],
        ],
        ['RoleBinding', 'shop', [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'monitoring-team' }]],
      ]),
    );
    expect(bindings).toHaveLength(5);
  });

  it.each(Object.entries(chartVariants))(
    'makes pods that may nothing and take no more than they were given: %s',
    (_, values) => {
      for (const { metadata, spec } of pods(rendered(values))) {
        expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
        expect(spec.automountServiceAccountToken).toBe(metadata.labels['app.kubernetes.io/component'] === 'gateway');
        for (const container of spec.containers as Manifest[]) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            privileged: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          for (const kind of ['requests', 'limits'])
            expect(Object.keys(container.resources[kind])).toEqual(
              expect.arrayContaining(['cpu', 'memory', 'ephemeral-storage']),
            );
          expect(container.image).toMatch(/:[^:]+$/);
        }
      }
    },
  );

  it('asks for what a gateway takes, unless told otherwise', () => {
    expect(gatewayOf(rendered()).containers[0].resources).toMatchObject({
      requests: { cpu: '250m', memory: '256Mi' },
      limits: { cpu: '500m', memory: '512Mi' },
    });
  });

  it('keeps one gateway while others are moved, and gives each the time to end', () => {
    const objects = rendered();
    expect(one(objects, 'Deployment').spec).toMatchObject({
      replicas: 2,
      strategy: { rollingUpdate: { maxUnavailable: 0 } },
    });
    expect(one(objects, 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
    expect(gatewayOf(objects).topologySpreadConstraints).toHaveLength(2);
    expect(gatewayOf(objects).terminationGracePeriodSeconds).toBe(35);
    const all = rendered(chartVariants.everything);
    expect(gatewayOf(all).terminationGracePeriodSeconds).toBe(95);
    expect(one(all, 'Deployment', 'kubernaut-gateway').spec).not.toHaveProperty('replicas');
    expect(one(all, 'HorizontalPodAutoscaler').spec).toMatchObject({ minReplicas: 2, maxReplicas: 6 });
  });

  it('asks where the configuration has the gateway answer', () => {
    const [{ ports, startupProbe, livenessProbe, readinessProbe }] = gatewayOf(
      rendered(chartVariants.everything),
    ).containers;
    expect(ports).toEqual([
      { name: 'http', containerPort: 8443 },
      { name: 'metrics', containerPort: 9191 },
    ]);
    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet)).toEqual([
      { path: '/live', port: 'http', scheme: 'HTTPS' },
      { path: '/live', port: 'http', scheme: 'HTTPS' },
      { path: '/serving', port: 'http', scheme: 'HTTPS' },
    ]);
    const [least] = gatewayOf(rendered(chartVariants['no more than the gateway'])).containers;
    expect(least).toMatchObject({ livenessProbe: { tcpSocket: { port: 'http' } } });
    expect(least.ports).toHaveLength(1);
  });

  it('replaces pods when the configuration or the policy changes', () => {
    const annotations = (values: object) => one(rendered(values), 'Deployment').spec.template.metadata.annotations;
    const before = annotations({});
    expect(annotations({ config: { logging: { level: 'debug' } } })['checksum/config']).not.toBe(
      before['checksum/config'],
    );
    expect(annotations({ replicaCount: 3 })).toEqual(before);
    expect(annotations({ policy: { rego: 'package a' } })['checksum/policy']).not.toBe(
      annotations({ policy: { rego: 'package b' } })['checksum/policy'],
    );
  });

  it('lets in senders and Prometheus alone, and out what the gateway asks', () => {
    const { ingress, egress, policyTypes } = one(rendered(), 'NetworkPolicy').spec;
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    const monitoring = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } };
    expect(ingress).toMatchObject([
      { from: [monitoring, { podSelector: {} }], ports: [{ port: 'http' }] },
      { from: [monitoring], ports: [{ port: 'metrics' }] },
    ]);
    expect((egress as Manifest[]).map(({ ports }) => (ports as { port: number }[]).map(({ port }) => port))).toEqual([
      [53, 53],
      [443, 6443],
      [6379, 26379],
    ]);
    const least = rendered(chartVariants['no more than the gateway']);
    expect(least.map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'Deployment', 'Pod', 'Service']);
  });

  it('links every alert to its runbook, and leaves out what is not wanted', () => {
    const { groups } = one(rendered(chartVariants.everything), 'PrometheusRule').spec as {
      groups: { rules: { alert: string; labels: object; annotations: { runbook_url: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(5);
    for (const { alert, labels, annotations } of rules) {
      expect(alert).not.toBe('GatewayAlertStorm');
      expect(labels).toMatchObject({ cluster: 'eu-1', kubernaut_remediate: 'false' });
      expect(annotations.runbook_url).toBe(`https://git.example.com/kubernaut-gateway/docs/runbooks/${alert}.md`);
    }
  });

  it('gives the dashboard to Grafana as it is, where that is wanted', () => {
    const { data, metadata } = one(rendered(chartVariants.everything), 'ConfigMap', 'kubernaut-gateway-dashboard');
    expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    const file = readFileSync(join(chart, 'files/dashboard.json'), 'utf8');
    expect(JSON.parse((data as Record<string, string>)['kubernaut-gateway.json'] ?? '')).toEqual(JSON.parse(file));
    expect(rendered().filter((manifest) => manifest.metadata.name.endsWith('-dashboard'))).toEqual([]);
  });
});

const secrets = { REDIS_PASSWORD: 'a', SENTINEL_PASSWORD: 'b', GRAFANA_HMAC_SECRET: 'a secret of Grafana' };

function fileOf(objects: readonly Manifest[]): Record<string, unknown> {
  return parse(one(objects, 'ConfigMap', 'kubernaut-config').data['config.yaml']) as Record<string, unknown>;
}

/** The specification of the gateway's pods. */
function gatewayOf(objects: readonly Manifest[]): Manifest['spec'] {
  return pods(objects).find(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === 'gateway')?.spec;
}
