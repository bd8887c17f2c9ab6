// Builds the image from the Dockerfile where there is no registry to take base images from, starts the gateway in it as a cluster would
// (read-only root, no privileges, not root), and tries it:
//
//   npm run image
//   npm run image -- docker-archive:gateway.tar     and hands it over, to any destination that `buildah push` knows
//
// With Docker and a registry, `docker build .` is all.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOnPath, run, timed } from './lib/command.mjs';
import { tryImage } from './lib/image-trial.mjs';
import { makeBases } from './lib/image-bases.mjs';
import { installDebianPackages } from './lib/tools.mjs';

const programs = ['buildah', 'debootstrap', 'unshare', 'setpriv'];

function whyNotHere() {
  if (process.platform !== 'linux') return 'images are built on Linux';
  if (process.getuid() !== 0) return 'building one here needs root';
  const absent = programs.filter((program) => !isOnPath(program));
  if (absent.length > 0) installDebianPackages(absent);
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length > 0) return `there is no ${missing.join(', ')}`;
  // A build runs commands in namespaces of its own; many a container may not make any.
  try {
    run('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
    return undefined;
  } catch {
    return 'this machine does not let root make namespaces and mounts';
  }
}

const reason = whyNotHere();
if (reason !== undefined) {
  console.log(`no image was built or tried: ${reason}`);
  process.exit(0);
}

// npm opens many at once; a build is given few unless told otherwise.
const openFiles = Math.min(Number(run('sh', ['-c', 'ulimit -Hn'])) || 65_536, 65_536);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const image = `localhost/kubernaut-gateway:${version}`;
const storage = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-image-'));
const buildah = (...args) =>
  run('buildah', [
    '--root',
    join(storage, 'root'),
    '--runroot',
    join(storage, 'run'),
    '--storage-driver',
    'vfs',
    ...args,
  ]);

try {
  const bases = makeBases(buildah);
  const [revision, time] = run('git', ['log', '-1', '--format=%H %ct']).trim().split(' ');
  const args = { ...bases, VERSION: version, REVISION: revision, SOURCE_DATE_EPOCH: time };
  timed(`building ${image}`, () =>
    buildah(
      ...[
        'build',
        '--isolation',
        'chroot',
        '--format',
        'oci',
        '--timestamp',
        time,
        '--ulimit',
        `nofile=${openFiles}:${openFiles}`,
        '--tag',
        image,
      ],
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      '.',
    ),
  );
  await tryImage(buildah, image);
  for (const destination of process.argv.slice(2)) {
    timed(`handing it over to ${destination}`, () => buildah('push', image, destination));
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(storage, { recursive: true, force: true });
}
