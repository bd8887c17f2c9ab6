// The arrows of docs/architecture.md, and who may import which package: npm run lint:imports

/** What a folder of src/ may import of ours besides itself. A folder without a row may not exist. */
const arrows = {
  signal: [],
  // Each source brings its settings.
  config: ['signal', 'adapters/sources.ts'],
  metrics: [],
  logging: [],
  http: ['logging', 'metrics'],
  state: ['signal', 'config', 'logging', 'metrics'],
  kubernetes: ['signal', 'state', 'config', 'logging'],
  processing: ['auth', 'rate-limit', 'state', 'kubernetes', 'signal', 'config', 'metrics', 'logging'],
  // Kubernetes is itself a source.
  adapters: ['processing', 'kubernetes', 'signal', 'http', 'config', 'metrics', 'logging'],
  auth: ['kubernetes', 'http', 'rate-limit', 'config', 'metrics', 'logging'],
  'rate-limit': ['state', 'http', 'config', 'metrics', 'logging'],
  health: ['state', 'kubernetes', 'http', 'config'],
  standalone: ['gateway.ts', 'config'],
  cli: ['processing', 'kubernetes', 'state', 'config', 'gateway.ts', 'version.ts', 'standalone', 'logging', 'http'],
};
/** Files that folders with a row that is not empty may import as well. */
const forAll = [
  'caller.ts',
  'clock.ts',
  'cohort.ts',
  'deadline.ts',
  'dns-names.ts',
  'error-message.ts',
  'file-version.ts',
  'lanes.ts',
  'outside-requests.ts',
  'package-file.ts',
  'pause.ts',
  'places.ts',
  'recently-used.ts',
  'request-ref.ts',
];

/** Packages that one folder hides from all others. */
const owners = {
  '@kubernetes/client-node': 'kubernetes',
  ioredis: 'state/redis',
  '@open-policy-agent/opa-wasm': 'processing/priority',
  'prom-client': 'metrics',
  '@willsoto/nestjs-prometheus': 'metrics',
};

/** Files that only scripts/generate.mjs runs. */
const generators = [
  'config/configuration-reference.ts',
  'metrics/metrics-reference.ts',
  'kubernetes/rbac-reference.ts',
];

const spec = '[.]spec[.]ts$';
const literally = (text) => text.replace(/[.]/g, '[.]');
const within = (paths) =>
  `^src/(${paths.map((path) => (path.endsWith('.ts') ? `${literally(path)}$` : `${path}/`)).join('|')})`;
const inPackages = (names) => `(^|/)node_modules/(${names.map(literally).join('|')})/`;

const arrowRules = Object.entries(arrows).map(([folder, targets]) => {
  const allowed = targets.length === 0 ? [] : [...targets, ...forAll];
  return {
    name: `arrows-of-${folder}`,
    comment: `${folder}/ may import of ours: ${allowed.join(', ') || 'nothing'}`,
    severity: 'error',
    from: { path: within([folder]), pathNot: spec },
    to: { path: '^src/', pathNot: within([folder, ...allowed]) },
  };
});

const ownerRules = Object.entries(owners).map(([name, folder]) => ({
  name: `owner-of-${name}`,
  comment: `only ${folder}/ imports ${name}`,
  severity: 'error',
  from: { path: '^src/', pathNot: [within([folder]), spec] },
  to: { path: inPackages([name]) },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...arrowRules,
    ...ownerRules,
    {
      name: 'folder-without-arrows',
      comment: 'a new folder needs its row in .dependency-cruiser.cjs and in docs/architecture.md',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: within(Object.keys(arrows)) },
      to: {},
    },
    {
      name: 'for-all-imports-nothing-of-ours',
      severity: 'error',
      from: { path: within(forAll), pathNot: spec },
      to: { path: '^src/', pathNot: within(forAll) },
    },
    {
      name: 'only-the-root-imports-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: [within(['app.module.ts', 'adapters', 'config/gateway-config.ts']), spec] },
      to: { path: within(['adapters']) },
    },
    {
      name: 'processing-knows-no-http',
      severity: 'error',
      from: { path: within(['processing']) },
      to: { path: [inPackages(['fastify', '@nestjs/platform-fastify', '@nestjs/swagger']), '^http[s2]?$'] },
    },
    {
      name: 'kubernetes-knows-types-of-state',
      comment: 'what is remembered may be written into objects; remembering it is not for kubernetes/',
      severity: 'error',
      from: { path: within(['kubernetes']), pathNot: spec },
      to: { path: within(['state']), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycle',
      comment: 'a source names its module, which is loaded later',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['dynamic-import'] } },
    },
    {
      name: 'no-re-export',
      comment: 'import from the file that defines it',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/', dependencyTypes: ['export'] },
    },
    { name: 'no-barrel', severity: 'error', from: {}, to: { path: '/index[.]ts$', pathNot: 'node_modules' } },
    {
      name: 'not-in-use',
      comment: 'main does not reach it',
      severity: 'error',
      from: { path: within(['main.ts']) },
      to: { path: '^src/', pathNot: [spec, within(generators)], reachable: false },
    },
    { name: 'no-orphan', severity: 'error', from: { orphan: true, pathNot: spec }, to: {} },
    {
      name: 'no-test-in-src',
      severity: 'error',
      from: { path: '^src/', pathNot: spec },
      to: { path: `^test/|${spec}` },
    },
    { name: 'no-import-of-a-spec', severity: 'error', from: { path: '^test/' }, to: { path: spec } },
    {
      name: 'declared-dependencies',
      comment: 'what runs in production is a dependency in package.json',
      severity: 'error',
      from: { path: '^src/', pathNot: spec },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Types count: an arrow is about what one must know to read a file.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
