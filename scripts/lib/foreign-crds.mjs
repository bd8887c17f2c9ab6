import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run, timed } from './command.mjs';

/** Go modules that have the schemas of resources as files; nothing of them is compiled. */
const modules = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.85.0',
    crds: ['example', 'prometheus-operator-crd'],
    /** As test/support/foreign-crds.ts. */
    folder: 'prometheus-operator-crds-0.85.0',
    last: 'monitoring.coreos.com_alertmanagerconfigs.yaml',
  },
  {
    module: 'github.com/cert-manager/cert-manager',
    version: 'v1.21.2',
    crds: ['deploy', 'crds'],
    folder: 'cert-manager-crds-1.21.2',
    last: 'cert-manager.io_certificates.yaml',
  },
];
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kubernaut-gateway');

export function areCrdsPresent() {
  return modules.every(isPresent);
}

export function fetchCrds() {
  if (findProgram('go') === undefined) throw new Error('fetching them needs Go (https://go.dev/dl)');
  for (const wanted of modules.filter((one) => !isPresent(one))) {
    const { module, version } = wanted;
    timed(`fetching the CRDs of ${module} ${version} (once)`, () => fetch(wanted));
  }
}

function isPresent({ folder, last }) {
  return existsSync(join(cache, folder, last));
}

function fetch({ module, version, crds, folder }) {
  const { Dir: source } = JSON.parse(run('go', ['mod', 'download', '-json', `${module}@${version}`]));
  const unfinished = join(cache, `${folder}.${process.pid}`);
  mkdirSync(unfinished, { recursive: true });
  const from = join(source, ...crds);
  for (const file of readdirSync(from).filter((name) => name.endsWith('.yaml')))
    copyFileSync(join(from, file), join(unfinished, file));
  rmSync(join(cache, folder), { recursive: true, force: true });
  renameSync(unfinished, join(cache, folder));
}
