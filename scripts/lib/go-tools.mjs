import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run, timed } from './command.mjs';

/** Kubernetes itself: one module, whose programs share what is compiled. */
const kubernetes = (program, time) => ({
  module: 'kubernetes',
  package: `k8s.io/kubernetes/cmd/${program}`,
  pinned: /k8s\.io\/kubernetes (v[\d.]+)/,
  time,
  // Without these flags it calls itself v0.0.0, which clients trip over.
  variables: (version) => {
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version);
    const set = { gitVersion: version, gitMajor: major, gitMinor: minor };
    return Object.entries(set).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  },
});

/**
 * Programs that are built from their source: no project publishes them in a registry that a test may use everywhere, and Go's has
 * the source of all. `tools/<program>` is a module that pins the version.
 */
const programs = {
  'kube-apiserver': kubernetes('kube-apiserver', 'some minutes'),
  'kube-controller-manager': kubernetes('kube-controller-manager', 'a minute'),
  'kube-scheduler': kubernetes('kube-scheduler', 'a minute'),
  'kube-proxy': kubernetes('kube-proxy', 'a minute'),
  kubelet: kubernetes('kubelet', 'a minute'),
  coredns: {
    package: 'github.com/coredns/coredns',
    pinned: /github\.com\/coredns\/coredns (v[\d.]+)/,
    time: 'two minutes',
    variables: () => [],
  },
  opa: {
    package: 'github.com/open-policy-agent/opa',
    pinned: /github\.com\/open-policy-agent\/opa (v[\d.]+)/,
    time: 'two minutes',
    variables: () => [],
  },
  helm: {
    package: 'helm.sh/helm/v3/cmd/helm',
    pinned: /helm\.sh\/helm\/v3 (v[\d.]+)/,
    time: 'two minutes',
    // Without a cluster it judges a chart's kubeVersion by these; built without them it would be that of 1.20.
    variables: (version) => [
      `-X helm.sh/helm/v3/internal/version.version=${version}`,
      ...['chartutil', 'lint/rules'].flatMap((where) => [
        `-X helm.sh/helm/v3/pkg/${where}.k8sVersionMajor=1`,
        `-X helm.sh/helm/v3/pkg/${where}.k8sVersionMinor=36`,
      ]),
    ],
  },
  'kube-score': {
    package: 'github.com/zegl/kube-score/cmd/kube-score',
    pinned: /zegl\/kube-score (v[\d.]+)/,
    time: 'half a minute',
    variables: () => [],
  },
  k6: {
    package: 'go.k6.io/k6',
    pinned: /go\.k6\.io\/k6 (v[\d.]+)/,
    time: 'two minutes',
    variables: () => [],
  },
};

/** Where a program is: in KUBEBUILDER_ASSETS, built by us, or on the PATH. */
export function findAsset(program) {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const own = [
    ...(assets ? [join(assets, program)] : []),
    ...(Object.hasOwn(programs, program) ? [join(cacheFolder(program), program)] : []),
  ];
  return own.find(existsSync) ?? findProgram(program);
}

/** Builds a program into a cache folder that outlives the checkout. */
export function buildGoTool(program) {
  const { package: source, time, variables } = programs[program];
  if (findProgram('go') === undefined) throw new Error('building it needs Go (https://go.dev/dl)');
  const version = versionOf(program);
  const folder = cacheFolder(program);
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `${program}.${process.pid}`);
  timed(`building ${program} ${version} (once, ${time})`, () => {
    const flags = ['-s -w', ...variables(version)].join(' ');
    // Without C they need nothing of the machine, so that they run in an image as well.
    const env = { ...process.env, CGO_ENABLED: '0' };
    run(
      'go',
      ['-C', `tools/${moduleOf(program)}`, 'build', '-mod=readonly', '-ldflags', flags, '-o', unfinished, source],
      {
        env,
      },
    );
    renameSync(unfinished, join(folder, program));
  });
}

/** The folder in `tools` that pins a program. */
function moduleOf(program) {
  return programs[program].module ?? program;
}

function versionOf(program) {
  return programs[program].pinned.exec(readFileSync(`tools/${moduleOf(program)}/go.mod`, 'utf8'))[1];
}

function cacheFolder(program) {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'kubernaut-gateway', `${program}-${versionOf(program).slice(1)}`);
}
