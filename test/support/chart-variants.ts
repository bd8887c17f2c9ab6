/** Values that the chart is tried with. */
export const chartVariants: Readonly<Record<string, object>> = {
  'the defaults': {},
  'the bundled Redis': { bundledRedis: { enabled: true } },
  'Sentinels over TLS': {
    redisPassword: { optional: false },
    config: {
      redis: {
        sentinels: ['sentinel-0:26379', 'sentinel-1:26379'],
        sentinel_password: '${SENTINEL_PASSWORD}',
        tls: { enabled: true, ca_file: '/etc/redis-tls/ca.crt' },
      },
    },
    extraEnv: [
      {
        name: 'SENTINEL_PASSWORD',
        valueFrom: { secretKeyRef: { name: 'redis-credentials', key: 'sentinel-password' } },
      },
    ],
    extraVolumes: [
      { name: 'redis-tls', secret: { secretName: 'redis-tls', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    ],
    extraVolumeMounts: [{ name: 'redis-tls', mountPath: '/etc/redis-tls', readOnly: true }],
  },
  'a Redis Cluster': {
    config: { redis: { cluster_nodes: ['redis-0:6379', 'redis-1:6379', 'redis-2:6379'] } },
    networkPolicy: { redisTo: [{ podSelector: { matchLabels: { app: 'redis' } } }] },
  },
  everything: {
    fullnameOverride: 'kubernaut-gateway',
    image: { repository: 'registry.example.com/kubernaut/gateway', digest: `sha256:${'0'.repeat(64)}` },
    imagePullSecrets: [{ name: 'registry' }],
    bundledRedis: { enabled: true },
    grafanaHmac: { secretName: 'grafana-hmac' },
    policy: { rego: 'package kubernaut.gateway.priority\n\nimport rego.v1\n\ndefault priority := "P3"\n' },
    senders: [
      { kind: 'ServiceAccount', name: 'alertmanager', namespace: 'monitoring' },
      { kind: 'ServiceAccount', name: 'alertmanager', namespace: 'shop', namespaces: ['shop', 'shop-staging'] },
      { kind: 'User', name: 'https://idp.example.com#somebody' },
      { kind: 'Group', name: 'monitoring-team', namespaces: ['shop'] },
    ],
    autoscaling: {
      enabled: true,
      metrics: [
        {
          type: 'Pods',
          pods: { metric: { name: 'gateway_http_requests' }, target: { type: 'AverageValue', averageValue: '50' } },
        },
      ],
    },
    crdUpgrade: { enabled: true },
    tls: {
      enabled: true,
      certManager: {
        enabled: true,
        issuerRef: { kind: 'ClusterIssuer', name: 'internal' },
        dnsNames: ['gateway.example.com'],
      },
    },
    podLabels: { team: 'platform' },
    podAnnotations: { 'example.com/team': 'platform' },
    priorityClassName: 'system-cluster-critical',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ key: 'monitoring', operator: 'Exists' }],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 1,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: { 'app.kubernetes.io/component': 'gateway' } },
            },
          },
        ],
      },
    },
    service: { annotations: { 'example.com/a': 'b' } },
    serviceAccount: { annotations: { 'example.com/a': 'b' } },
    networkPolicy: {
      apiServerTo: [{ ipBlock: { cidr: '10.0.0.1/32' } }],
      extraEgress: [{ ports: [{ port: 8181 }], to: [{ podSelector: { matchLabels: { app: 'opa' } } }] }],
    },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    dashboard: { enabled: true, annotations: { grafana_folder: 'Kubernaut' } },
    prometheusRule: {
      enabled: true,
      labels: { release: 'prometheus' },
      alertLabels: { cluster: 'eu-1' },
      disabled: ['GatewayAlertStorm'],
      runbookBaseUrl: 'https://git.example.com/kubernaut-gateway/',
    },
    config: {
      server: { listen_addr: ':8443', graceful_shutdown_timeout: '1m30s', max_body_bytes: 4194304 },
      metrics: { listen_addr: ':9191', path: '/internal/metrics' },
      health: { path: '/live', readiness_path: '/serving' },
      environment: { configmap_name: 'environments', configmap_namespace: 'platform' },
      priority: { fallback_table: { critical: 'P0', default: 'P4' } },
      fingerprint: { identity: 'owner' },
      adapters: {
        kubernetes_event: { watch: true, identity: 'object' },
        grafana: { enabled: true, hmac: { secret: '${GRAFANA_HMAC_SECRET}' } },
      },
    },
  },
  'no more than the gateway': {
    replicaCount: 1,
    rbac: { create: false },
    serviceAccount: { create: false, name: 'given' },
    podDisruptionBudget: { enabled: false },
    networkPolicy: { enabled: false },
    redisPassword: { secretName: '' },
    topologySpreadConstraints: [],
    config: { redis: { addr: '' }, metrics: { enabled: false }, health: { enabled: false } },
  },
};

/** Namespaces that the variants put objects into. */
export const chartNamespaces = ['shop', 'shop-staging', 'platform'];
