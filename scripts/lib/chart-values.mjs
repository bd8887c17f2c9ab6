import { isMap, isScalar, parseDocument } from 'yaml';

/**
 * What values.yaml says of itself: a value with a comment above it is one that a user sets, and the comment tells what it means; a map
 * without a comment only groups others.
 */
function groupOf(map, path) {
  return map.items.map(({ key, value }, index) => {
    const name = [...path, key.value];
    // The comment above the first key of a map stands at the map.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    // Paragraphs before the last one are about the file.
    const description = comment
      ?.split(/\n\s*\n/)
      .at(-1)
      .replace(/\n/g, ' ')
      .replace(/ +/g, ' ')
      .trim();
    if (description !== undefined)
      return { name, description, standard: isScalar(value) ? value.value : value.toJSON() };
    if (!isMap(value)) throw new Error(`values.yaml: ${name.join('.')} has no comment`);
    return { name, members: groupOf(value, name) };
  });
}

function leaves(nodes) {
  return nodes.flatMap((node) => (node.members ? leaves(node.members) : [node]));
}

const preamble = `# Chart kubernaut-gateway

Installs the gateway: [docs/installation.md](../../docs/installation.md) shows how. The keys of \`config\` are those of
[docs/configuration.md](../../docs/configuration.md). This page is generated from values.yaml.

| Value | Default | Meaning |
|---|---|---|
`;

/** The text of the chart's README. */
export function chartReference(values) {
  const rows = leaves(groupOf(parseDocument(values).contents, [])).map(({ name, standard, description }) => {
    const shown = typeof standard === 'string' ? standard || '""' : JSON.stringify(standard);
    return `| \`${name.join('.')}\` | \`${shown}\` | ${description.replaceAll('|', '\\|')} |`;
  });
  return `${preamble}${rows.join('\n')}\n`;
}

const objects = { type: 'array', items: { type: 'object' } };
const texts = { type: 'array', items: { type: 'string' } };
const port = { type: 'integer', minimum: 1, maximum: 65535 };
const ports = { type: 'array', items: port, minItems: 1 };
const pullPolicy = { enum: ['Always', 'IfNotPresent', 'Never'] };
const many = { type: 'integer', minimum: 1 };
const textMap = { type: 'object', additionalProperties: { type: 'string' } };

/** What the default of a value does not tell of its type. */
const exact = {
  fullnameOverride: { type: 'string', pattern: '^[a-z]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 },
  'image.repository': { type: 'string', minLength: 1 },
  'image.digest': { type: 'string', pattern: '^(sha256:[a-f0-9]{64})?$' },
  'image.pullPolicy': pullPolicy,
  'bundledRedis.image.pullPolicy': pullPolicy,
  imagePullSecrets: objects,
  'configMap.name': { type: 'string', minLength: 1 },
  'serviceAccount.name': { type: 'string', minLength: 1 },
  'serviceAccount.annotations': textMap,
  'service.annotations': textMap,
  'service.port': port,
  'service.metricsPort': port,
  podLabels: textMap,
  podAnnotations: textMap,
  nodeSelector: textMap,
  'serviceMonitor.labels': textMap,
  'prometheusRule.labels': textMap,
  'prometheusRule.alertLabels': textMap,
  'prometheusRule.disabled': texts,
  'tls.certManager.dnsNames': texts,
  senders: {
    type: 'array',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['kind', 'name'],
      properties: {
        kind: { enum: ['ServiceAccount', 'User', 'Group'] },
        name: { type: 'string', minLength: 1 },
        namespace: { type: 'string', minLength: 1 },
        namespaces: { ...texts, minItems: 1 },
      },
      if: { properties: { kind: { const: 'ServiceAccount' } } },
      then: { required: ['namespace'] },
      else: { not: { required: ['namespace'] } },
    },
  },
  replicaCount: { type: 'integer', minimum: 0 },
  'autoscaling.minReplicas': many,
  'autoscaling.maxReplicas': many,
  'autoscaling.targetCPUUtilizationPercentage': many,
  'podDisruptionBudget.maxUnavailable': { type: ['integer', 'string'] },
  'service.type': { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  'networkPolicy.apiServerPorts': ports,
  'networkPolicy.redisPorts': ports,
};

/** JSON schema of values.yaml. */
export function valuesSchema(values, { $schema, title, ...config }) {
  return {
    $schema,
    title: `values of the chart, with the ${title}`,
    ...schemaOf(groupOf(parseDocument(values).contents, []), { global: { type: 'object' } }, config),
  };
}

function schemaOf(nodes, more, config) {
  const properties = nodes.map(({ name, members, description, standard }) => {
    const path = name.join('.');
    if (members) return [name.at(-1), schemaOf(members, {}, config)];
    const schema = path === 'config' ? config : (exact[path] ?? typeOf(standard));
    return [name.at(-1), { ...schema, description }];
  });
  return { type: 'object', additionalProperties: false, properties: { ...more, ...Object.fromEntries(properties) } };
}

function typeOf(standard) {
  if (Array.isArray(standard)) return objects;
  return { type: typeof standard === 'number' ? 'integer' : typeof standard };
}
