import { isOnPath, run, timed } from './command.mjs';

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
    name: 'kubectl',
    isPresent: () => isOnPath('kubectl'),
    debianPackage: 'kubernetes-client',
    neededBy: 'kubectl against the API of standalone mode',
    support: 'test/support/kubectl.ts',
  },
];

export function absentTools() {
  return tools.filter(({ isPresent }) => !isPresent());
}

/** Installs the tools that are absent where it may. What cannot be had is said, and is no failure: its tests are left out. */
export function prepareTools() {
  const wanted = absentTools();
  if (wanted.length === 0) return;
  const cannot = whyNotInstallable();
  if (cannot === undefined) install(wanted.map(({ debianPackage }) => debianPackage));
  for (const { name, debianPackage, neededBy } of absentTools()) {
    const reason = cannot ?? 'the installation failed';
    console.log(`no ${name}: ${reason}. Install it (Debian: ${debianPackage}) for the tests of ${neededBy}`);
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
