import { existsSync, readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { run, timed } from './command.mjs';

const oldestNode = 20;

/** Installs what package-lock.json asks for, unless node_modules has it. */
export function prepareDependencies() {
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    throw new Error(`Node.js ${oldestNode} or newer is needed; this is ${process.versions.node}`);
  }
  if (isInstalled()) return;
  timed('installing dependencies (npm ci)', () =>
    run('npm', ['ci', '--loglevel=error'], { env: outsideNodeModules() }),
  );
  if (!existsSync(ownNode)) {
    throw new Error(
      'the package "node" has brought no Node.js: npm must be allowed to run install scripts (ignore-scripts=false)',
    );
  }
}

/** The Node.js that the project runs on; npm puts its folder first on the PATH of every script. */
const ownNode = 'node_modules/.bin/node';

/** npm keeps a list of what it has installed in node_modules; what is optional may be absent from it. */
function isInstalled() {
  if (!existsSync(ownNode) || !existsSync('node_modules/.package-lock.json')) return false;
  const { packages: installed } = JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8'));
  const { packages: wanted } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  return Object.entries(wanted)
    .filter(([path]) => path !== '')
    .every(([path, { version, optional }]) => (installed[path] ? installed[path].version === version : optional));
}

/** npm ci deletes node_modules, so npm itself must run on a Node.js from elsewhere. */
function outsideNodeModules() {
  const folders = process.env.PATH.split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return { ...process.env, PATH: folders.join(delimiter) };
}
