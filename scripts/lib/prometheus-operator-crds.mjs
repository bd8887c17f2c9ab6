import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run, timed } from './command.mjs';

/** The Go module has the schemas as files; nothing of it is compiled. */
const module = 'github.com/prometheus-operator/prometheus-operator';
const version = 'v0.85.0';
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
/** As test/support/prometheus-operator-crds.ts. */
const folder = join(cache, 'kubernaut-gateway', `prometheus-operator-crds-${version.slice(1)}`);

export function areCrdsPresent() {
  return existsSync(join(folder, 'monitoring.coreos.com_alertmanagerconfigs.yaml'));
}

export function fetchCrds() {
  if (findProgram('go') === undefined) throw new Error('fetching them needs Go (https://go.dev/dl)');
  timed(`fetching the CRDs of prometheus-operator ${version} (once)`, () => {
    const { Dir: source } = JSON.parse(run('go', ['mod', 'download', '-json', `${module}@${version}`]));
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const crds = join(source, 'example', 'prometheus-operator-crd');
    for (const file of readdirSync(crds)) copyFileSync(join(crds, file), join(unfinished, file));
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  });
}
