import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { run, timed } from './command.mjs';
import { buildGoTool, findAsset } from './go-tools.mjs';

/**
 * Base images for where no registry of images can be reached: a Debian that debootstrap makes, with the Node.js that npm has brought, in
 * place of the official image, and in place of distroless only what Node.js itself needs, which is no shell either.
 */
const suite = 'bookworm';
const packages = 'ca-certificates';
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kubernaut-gateway', `debian-${suite}`);
const node = realpathSync('node_modules/node/bin/node');

/** Makes the bases, and answers the build arguments that name them. @param buildah runs buildah with these arguments */
export function makeBases(buildah) {
  if (!existsSync(cache)) timed(`making a Debian ${suite} (debootstrap, once, a minute)`, bootstrap);
  return {
    BUILD_IMAGE: timed('image to build in', () => commit(buildah, 'build', buildBase)),
    RUN_IMAGE: timed('image to run in', () => commit(buildah, 'run', runBase)),
    OPA_IMAGE: timed('image with opa', () => commit(buildah, 'opa', opaBase)),
  };
}

function bootstrap() {
  const unfinished = `${cache}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  run('debootstrap', ['--variant=minbase', `--include=${packages}`, suite, unfinished, mirror()]);
  renameSync(unfinished, cache);
}

/** Where apt of this machine takes Debian from. */
function mirror() {
  try {
    const sites = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']).split('\n');
    const own = sites.find((site) => site.replace(/\/$/, '').endsWith('/debian'));
    if (own) return own;
  } catch {
    // No Debian: its own mirror will do.
  }
  return 'http://deb.debian.org/debian';
}

function commit(buildah, name, fill) {
  const image = `localhost/kubernaut-gateway-base-${name}`;
  const container = buildah('from', 'scratch').trim();
  fill(buildah('mount', container).trim());
  buildah('umount', container);
  buildah('config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', container);
  // The same files make the same bytes.
  buildah('commit', '--quiet', '--timestamp', '0', '--rm', container, image);
  return image;
}

function buildBase(folder) {
  run('cp', ['-a', `${cache}/.`, folder]);
  const local = join(folder, 'usr/local');
  cpSync(node, join(local, 'bin/node'));
  // npm of this machine, as it is configured to reach its registry.
  const npm = dirname(dirname(realpathSync(process.env.npm_execpath ?? '/usr/bin/npm')));
  cpSync(npm, join(local, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  mkdirSync(join(local, 'etc'), { recursive: true });
  const settings = [`registry=${run('npm', ['config', 'get', 'registry']).trim()}`];
  if (authorities) {
    cpSync(authorities, join(local, 'etc/authorities.crt'), { dereference: true });
    settings.push('cafile=/usr/local/etc/authorities.crt');
  }
  writeFileSync(join(local, 'etc/npmrc'), `${settings.join('\n')}\n`);
}

/** Node.js, the libraries that it loads, and the few files that every image has. */
function runBase(folder) {
  put(folder, node, '/usr/local/bin/node');
  const libraries = run('ldd', [node]).match(/\/\S+\.so\S*/g);
  for (const library of libraries) put(folder, join(cache, library), library);
  put(folder, join(cache, 'etc/ssl/certs/ca-certificates.crt'), '/etc/ssl/certs/ca-certificates.crt');
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/tmp:/none\n');
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  writeFileSync(join(folder, 'etc/os-release'), readFileSync(join(cache, 'etc/os-release')));
  mkdirSync(join(folder, 'tmp'), { mode: 0o1777 });
}

function opaBase(folder) {
  if (findAsset('opa') === undefined) buildGoTool('opa');
  put(folder, findAsset('opa'), '/opa');
}

function put(folder, file, path) {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(file), target);
}
