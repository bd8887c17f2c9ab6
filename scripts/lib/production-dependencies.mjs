import { existsSync, readFileSync } from 'node:fs';

/** Licences that a package which runs in production may have. Each lets anybody use and hand on the gateway. */
export const allowedLicences = [
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
];

/** Why each package that package.json names is there. */
const reasons = {
  '@fastify/static': 'files of the API explorer, for `@nestjs/swagger`',
  '@kubernetes/client-node': 'finds and reads kubeconfigs and credentials of the pod; types of objects',
  '@nestjs/common': 'modules, guards, pipes and filters',
  '@nestjs/core': 'puts the modules together',
  '@nestjs/platform-fastify': 'NestJS on Fastify',
  '@nestjs/swagger': 'the OpenAPI document and the API explorer',
  '@nestjs/terminus': 'liveness and readiness',
  '@nestjs/throttler': 'the guard that meters callers; networks of IPv6 addresses',
  '@open-policy-agent/opa-wasm': 'evaluates priority policies in the process',
  '@willsoto/nestjs-prometheus': 'metrics as providers of NestJS',
  'class-transformer': 'wanted by `@nestjs/common` and `@nestjs/swagger` beside `class-validator`',
  'class-validator': 'checks the configuration and the envelopes of webhooks',
  fastify: 'the HTTP server',
  ioredis: 'Redis, Sentinels and Clusters',
  'lru-cache': 'memories with a bound',
  nanotar: 'reads bundles of policies',
  'nestjs-pino': 'the log of NestJS in the lines of the gateway',
  pino: 'the log',
  'pino-http': 'wanted by `nestjs-pino`',
  'pino-pretty': 'the log as text for people',
  'prom-client': 'metrics',
  'reflect-metadata': 'decorators of NestJS',
  rxjs: 'wanted by NestJS',
  undici: 'HTTP to the API server over connections that are kept, and to an OPA server',
  yaml: 'reads the configuration, writes manifests',
};

/** Every package that runs in production, by its path in node_modules, with its name, version and licence. */
export function productionPackages(lock, manifestAt = installedManifest) {
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path, locked]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return { path, name, version: locked.version, licence: licenceOf(manifestAt(path) ?? locked) };
    });
}

/** What is optional may not be installed; the lock file knows its licence as well. */
function installedManifest(path) {
  const file = `${path}/package.json`;
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Old packages have an object, or a list of them. */
function licenceOf({ license, licenses }) {
  const said = [license ?? licenses ?? []].flat().map((one) => (typeof one === 'string' ? one : one.type));
  return said.length === 0 ? 'none' : said.join(' OR ');
}

/** Whether one of the alternatives that a package offers is allowed. */
export function isAllowed(licence) {
  return licence
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((one) => allowedLicences.includes(one));
}

/** The text of docs/dependencies.md. Throws when a licence is not allowed, or a package is there for no reason. */
export function dependencyReference(lock, manifestAt) {
  const packages = productionPackages(lock, manifestAt);
  const refused = packages.filter(({ licence }) => !isAllowed(licence));
  if (refused.length > 0)
    throw new Error(
      `licences that are not allowed (scripts/lib/production-dependencies.mjs): ${refused.map(({ path, licence }) => `${path}: ${licence}`).join(', ')}`,
    );
  const direct = Object.keys(lock.packages[''].dependencies).sort();
  const unexplained = direct.filter((name) => !(name in reasons));
  const gone = Object.keys(reasons).filter((name) => !direct.includes(name));
  if (unexplained.length + gone.length > 0)
    throw new Error(
      `scripts/lib/production-dependencies.mjs has no reason for [${unexplained}], and one too many for [${gone}]`,
    );
  const byPath = new Map(packages.map((one) => [one.path, one]));
  const rows = direct.map((name) => {
    const { version, licence } = byPath.get(`node_modules/${name}`);
    return `| \`${name}\` | ${version} | ${licence} | ${reasons[name]} |`;
  });
  return `${preamble}${rows.join('\n')}\n${licences(packages, direct.length)}`;
}

function licences(packages, direct) {
  const names = new Map();
  for (const { licence, name } of packages) names.set(licence, [...(names.get(licence) ?? []), name]);
  const rows = [...names]
    .sort(([a, some], [b, others]) => others.length - some.length || (a < b ? -1 : 1))
    .map(([licence, of]) => `| ${licence} | ${of.length} | ${of.length > few ? '' : nameList(of)} |`);
  return `
## Licences

Of all ${packages.length} packages that run: the ${direct} above and what they bring. Another licence than ${allowedLicences.join(', ')} stops
\`npm run generate:check\`.

| Licence | Packages | |
|---|---|---|
${rows.join('\n')}
`;
}

const few = 10;

function nameList(names) {
  return [...new Set(names)]
    .sort()
    .map((name) => `\`${name}\``)
    .join(', ');
}

const preamble = `# Dependencies

What runs in production beside the gateway itself and Node.js; what builds and tests it does not come into the image. Versions are exact, and the lock
file holds the digest of each. \`npm run sbom\` writes them all as CycloneDX, \`npm run audit\` asks the registry for known vulnerabilities.

This page is generated.

| Package | Version | Licence | Why it is there |
|---|---|---|---|
`;
