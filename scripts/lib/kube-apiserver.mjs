import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run, timed } from './command.mjs';

const module = 'tools/kube-apiserver';

/** Where a program of a Kubernetes control plane is: in KUBEBUILDER_ASSETS, built by us, or on the PATH. */
export function findAsset(program) {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const own = [...(assets ? [join(assets, program)] : []), join(cacheFolder(), program)];
  return own.find(existsSync) ?? findProgram(program);
}

/**
 * Builds kube-apiserver from the Go module that pins it, into a cache folder that outlives the checkout.
 * No project publishes it in a registry that a test may use everywhere; its source is in Go's.
 */
export function buildKubeApiserver() {
  const go = goVersion();
  if (go === undefined) throw new Error('building it needs Go (https://go.dev/dl)');
  const version = kubernetesVersion();
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version);
  // Without these flags it calls itself v0.0.0, which clients trip over.
  const set = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor });
  const flags = ['-s -w', ...set.map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)];
  const folder = cacheFolder();
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `kube-apiserver.${process.pid}`);
  timed(`building kube-apiserver ${version} (once, some minutes)`, () => {
    const args = ['-C', module, 'build', '-mod=readonly', '-ldflags', flags.join(' '), '-o', unfinished];
    run('go', [...args, 'k8s.io/kubernetes/cmd/kube-apiserver']);
    renameSync(unfinished, join(folder, 'kube-apiserver'));
  });
}

function goVersion() {
  return findProgram('go') === undefined ? undefined : run('go', ['env', 'GOVERSION']).trim();
}

function kubernetesVersion() {
  return /k8s\.io\/kubernetes (v[\d.]+)/.exec(readFileSync(join(module, 'go.mod'), 'utf8'))[1];
}

function cacheFolder() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'kubernaut-gateway', `kube-apiserver-${kubernetesVersion().slice(1)}`);
}
