// Writes the files that are made from the code; with --check it only tells which of them differ from what the code makes.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { chartReference, valuesSchema } from './lib/chart-values.mjs';
import { codeMetrics } from './lib/code-metrics.mjs';
import { dashboard } from './lib/dashboard.mjs';
import { dependencyReference } from './lib/production-dependencies.mjs';

const generated = [
  {
    file: 'docs/configuration.md',
    make: async () => (await import('../dist/config/configuration-reference.js')).configurationReference(),
  },
  {
    file: 'docs/configuration.schema.json',
    make: async () => {
      const { configurationJsonSchema } = await import('../dist/config/configuration-reference.js');
      return `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`;
    },
  },
  {
    file: 'docs/dependencies.md',
    make: () => dependencyReference(JSON.parse(readFileSync('package-lock.json', 'utf8'))),
  },
  {
    file: 'docs/metrics.md',
    make: async () => (await import('../dist/metrics/metrics-reference.js')).metricsReference(),
  },
  {
    file: 'docs/rbac.yaml',
    make: async () => (await import('../dist/kubernetes/rbac-reference.js')).rbacManifests(),
  },
  {
    file: 'docs/rbac-owners.yaml',
    make: async () => (await import('../dist/kubernetes/rbac-reference.js')).ownerRbacManifests(),
  },
  {
    file: 'docs/rbac-event-watch.yaml',
    make: async () => (await import('../dist/kubernetes/rbac-reference.js')).eventWatchRbacManifests(),
  },
  ...['cluster', 'overrides', 'owners', 'events', 'lease', 'sender'].map((role) => ({
    file: `charts/kubernaut-gateway/files/rbac/${role}-rules.yaml`,
    make: async () => (await import('../dist/kubernetes/rbac-reference.js')).chartRules(role),
  })),
  {
    file: 'charts/kubernaut-gateway/values.schema.json',
    make: async () => {
      const { configurationJsonSchema } = await import('../dist/config/configuration-reference.js');
      return `${JSON.stringify(valuesSchema(chartValues(), configurationJsonSchema()), null, 2)}\n`;
    },
  },
  {
    file: 'charts/kubernaut-gateway/files/dashboard.json',
    make: () => `${JSON.stringify(dashboard(), null, 2)}\n`,
  },
  { file: 'charts/kubernaut-gateway/README.md', make: () => chartReference(chartValues()) },
  // From an archive without git it stays as it is.
  { file: 'docs/code-metrics.md', make: () => codeMetrics() ?? readFileSync('docs/code-metrics.md', 'utf8') },
];

function chartValues() {
  return readFileSync('charts/kubernaut-gateway/values.yaml', 'utf8');
}

const checkOnly = process.argv.includes('--check');

for (const { file, make } of generated) {
  const content = await make();
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue;
  if (checkOnly) {
    console.log(`${file} is not what the code makes; run npm run generate`);
    spawnSync('diff', ['-uN', file, '-'], { input: content, stdio: ['pipe', 'inherit', 'inherit'] });
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    console.log(`wrote ${file}`);
  }
}
