import { isOnPath, run, timed } from './command.mjs';
import { buildGoTool, findAsset } from './go-tools.mjs';
import { areCrdsPresent, fetchCrds } from './foreign-crds.mjs';

/**
 * Programs that tests start, and that npm cannot bring. One that is on the PATH is used as it is.
 * A spec needs a tool when it imports the tool's support file, directly or not.
 */
export const tools = [
  {
    name: 'Redis',
    isPresent: () => isOnPath('redis-server') && isOnPath('redis-cli'),
    debianPackage: 'redis-server',
    neededBy: 'the shared memory against a real Redis, and the gateway with Redis up, hung and gone',
    support: 'test/support/redis-server.ts',
  },
  {
    name: 'Alertmanager',
    isPresent: () => isOnPath('prometheus-alertmanager') || isOnPath('alertmanager'),
    debianPackage: 'prometheus-alertmanager',
    neededBy: 'webhooks as a real Alertmanager sends, groups and repeats them',
    support: 'test/support/alertmanager.ts',
  },
  {
    name: 'amtool',
    isPresent: () => isOnPath('amtool'),
    debianPackage: 'prometheus-alertmanager',
    neededBy: 'the route of Alertmanager in the documents',
    support: 'test/support/amtool.ts',
  },
  {
    name: 'kubectl',
    isPresent: () => isOnPath('kubectl'),
    debianPackage: 'kubernetes-client',
    neededBy: 'kubectl against the API of standalone mode',
    support: 'test/support/kubectl.ts',
  },
  {
    name: 'OpenSSL',
    isPresent: () => isOnPath('openssl'),
    debianPackage: 'openssl',
    neededBy: 'Redis over TLS',
    support: 'test/support/certificates.ts',
  },
  {
    name: 'curl',
    isPresent: () => isOnPath('curl'),
    debianPackage: 'curl',
    neededBy: 'the commands that documents show',
    support: 'test/support/document.ts',
  },
  {
    name: 'etcd',
    isPresent: () => isClusterGiven() || findAsset('etcd') !== undefined,
    debianPackage: 'etcd-server',
    neededBy: 'the gateway against a real Kubernetes API server',
    support: 'test/support/kube-apiserver.ts',
  },
  {
    name: 'kube-apiserver',
    isPresent: () => isClusterGiven() || findAsset('kube-apiserver') !== undefined,
    build: () => buildGoTool('kube-apiserver'),
    neededBy: 'the gateway against a real Kubernetes API server',
    support: 'test/support/kube-apiserver.ts',
  },
  {
    name: 'opa',
    isPresent: () => findAsset('opa') !== undefined,
    build: () => buildGoTool('opa'),
    neededBy: 'Rego policies that are compiled when the gateway starts',
    support: 'test/support/opa.ts',
  },
  {
    name: 'helm',
    isPresent: () => findAsset('helm') !== undefined,
    build: () => buildGoTool('helm'),
    neededBy: 'the chart: what it renders, and that the API server takes it',
    support: 'test/support/helm.ts',
  },
  {
    name: 'kube-score',
    isPresent: () => findAsset('kube-score') !== undefined,
    build: () => buildGoTool('kube-score'),
    neededBy: 'the chart against what reviewers expect of manifests',
    support: 'test/support/kube-score.ts',
  },
  {
    name: 'k6',
    isPresent: () => findAsset('k6') !== undefined,
    build: () => buildGoTool('k6'),
    neededBy: 'the load test that users run, against a gateway',
    support: 'test/support/k6.ts',
  },
  {
    name: 'the CRDs of prometheus-operator and cert-manager',
    isPresent: areCrdsPresent,
    build: fetchCrds,
    neededBy: 'their resources in the guides and in the chart, against their schemas',
    support: 'test/support/foreign-crds.ts',
  },
  {
    name: 'Prometheus',
    isPresent: () => isOnPath('prometheus'),
    debianPackage: 'prometheus',
    neededBy: 'the queries of the dashboard, against a gateway under load',
    support: 'test/support/prometheus.ts',
  },
  {
    name: 'promtool',
    isPresent: () => isOnPath('promtool'),
    debianPackage: 'prometheus',
    neededBy: 'the alert rules',
    support: 'test/support/promtool.ts',
  },
];

/** Whether a cluster of the user's stands in for one that the tests start. */
function isClusterGiven() {
  return process.env.USE_EXISTING_CLUSTER === 'true';
}

export function absentTools() {
  return tools.filter(({ isPresent }) => !isPresent());
}

/** Brings the tools that are absent where it may. What cannot be had is said, and is no failure: its tests are left out. */
export function prepareTools() {
  const cannot = installDebianPackages(absentTools().flatMap(({ debianPackage }) => debianPackage ?? []));
  for (const { name, debianPackage, build, neededBy } of absentTools()) {
    const reason = build === undefined ? (cannot ?? 'the installation failed') : whyNotBuilt(build);
    if (reason === undefined) continue;
    const how = debianPackage ? `Install it (Debian: ${debianPackage})` : 'Put it on the PATH or in KUBEBUILDER_ASSETS';
    console.log(`no ${name}: ${reason}. ${how} for the tests of ${neededBy}`);
  }
}

/** Installs packages where it may; answers why it may not. */
export function installDebianPackages(packages) {
  if (packages.length === 0) return undefined;
  const cannot = whyNotInstallable();
  if (cannot === undefined) install(packages);
  return cannot;
}

function whyNotBuilt(build) {
  try {
    build();
    return undefined;
  } catch (error) {
    return error.message.trim();
  }
}

function install(packages) {
  try {
    timed(`installing ${packages.join(', ')} (apt-get)`, () =>
      runAsRoot('sh', ['scripts/install-debian-packages.sh', ...packages]),
    );
  } catch (error) {
    console.log(error.message.trim());
  }
}

function whyNotInstallable() {
  if (!isOnPath('apt-get')) return 'there is no apt-get here';
  try {
    runAsRoot('true', []);
    return undefined;
  } catch {
    return 'installing needs root, or sudo without a password';
  }
}

function runAsRoot(command, args) {
  if (process.getuid() === 0) run(command, args);
  else run('sudo', ['-n', command, ...args]);
}
