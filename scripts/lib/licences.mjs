import { readFileSync } from 'node:fs';

const preamble = `# Dependencies

What runs in production, and under which licences. This page is generated from the lock file; a licence that is not among those below stops that.
\`npm run sbom\` writes a list in CycloneDX's form, from which npm leaves some out, \`npm run audit\` asks the registry for known vulnerabilities.

| Package | Version | Licence | What for |
|---|---|---|---|
`;

/** Licences under which what we depend on may be used, and passed on in an image. */
const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Python-2.0',
  'Unlicense',
]);

/** Why each is there. */
const reasons = {
  '@fastify/static': 'files of the API explorer',
  '@kubernetes/client-node': 'kubeconfig, credentials and types of Kubernetes',
  '@nestjs/common': 'the framework',
  '@nestjs/core': 'the framework',
  '@nestjs/platform-fastify': 'the framework on Fastify',
  '@nestjs/swagger': 'the OpenAPI document and its explorer',
  '@nestjs/terminus': 'the form of liveness and readiness',
  '@nestjs/throttler': "the guard of callers' limits",
  '@open-policy-agent/opa-wasm': 'evaluates policies',
  '@willsoto/nestjs-prometheus': 'the listener of metrics',
  ajv: 'JSON schemas of CRDs, in standalone mode',
  'ajv-formats': 'their formats',
  'class-transformer': 'goes with class-validator',
  'class-validator': 'validates the configuration and envelopes',
  cockatiel: 'repeats and suspends calls',
  fastify: 'the HTTP server',
  ioredis: 'Redis, its Sentinels and Clusters',
  'ipaddr.js': 'networks of trusted proxies',
  'lru-cache': 'bounded memories',
  nanotar: 'reads bundles of policies',
  'nestjs-pino': "the framework's own lines in the log",
  'p-limit': 'bounds what is under way',
  'p-map': 'the same over lists',
  pino: 'the log',
  'pino-http': 'goes with nestjs-pino',
  'pino-pretty': 'the log for people',
  'prom-client': 'metrics',
  'reflect-metadata': 'decorators of the framework',
  rxjs: 'goes with the framework',
  undici: 'connections to the API server and to OPA',
  yaml: 'configuration files',
};

/**
 * The text of docs/dependencies.md.
 * @throws Error that names what may not be used, or is not explained
 */
export function dependencyReference() {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const used = Object.entries(packages).filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional);
  const refused = used.filter(([, { license }]) => !allowed.has(license));
  if (refused.length > 0)
    throw new Error(`licences that are not allowed: ${refused.map(([path, { license }]) => `${path} (${license})`)}`);
  const direct = Object.keys(packages[''].dependencies).sort();
  const rows = direct.map((name) => {
    const { version, license } = packages[`node_modules/${name}`];
    if (!reasons[name]) throw new Error(`scripts/lib/licences.mjs does not say what ${name} is for`);
    return `| ${name} | ${version} | ${license} | ${reasons[name]} |`;
  });
  const counts = Map.groupBy(used, ([, { license }]) => license);
  const all = [...counts].map(([license, those]) => `| ${license} | ${those.length} |`).sort();
  return `${preamble}${rows.join('\n')}\n\nWith all that these need:\n\n| Licence | Packages |\n|---|---|\n${all.join('\n')}\n`;
}
