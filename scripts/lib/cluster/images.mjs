import { cpSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram, run } from '../command.mjs';

/** Images of programs of this machine, for a node that can reach no registry. */
export const images = {
  redis: { name: 'localhost/redis:test', programs: ['redis-server', 'redis-cli'] },
  /** What holds the namespaces of a pod: it has nothing to do but to stay. */
  pause: { name: 'localhost/pause:test', programs: ['sleep'], entrypoint: ['sleep', 'infinity'] },
};

/**
 * Writes an image with programs and the libraries that they load, and nothing else.
 * @param storage folder for buildah
 * @param archive file to write, as `docker save` does
 */
export function writeProgramImage({ name, programs, entrypoint = [] }, storage, archive) {
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
  const container = buildah('from', 'scratch').trim();
  const folder = buildah('mount', container).trim();
  for (const program of programs) {
    const file = realpathSync(findProgram(program));
    put(folder, file, `/usr/bin/${program}`);
    for (const library of run('ldd', [file]).match(/\/\S+\.so\S*/g)) put(folder, library, library);
  }
  mkdirSync(join(folder, 'tmp'), { mode: 0o1777 });
  buildah('umount', container);
  buildah('config', '--env', 'PATH=/usr/bin', '--entrypoint', JSON.stringify(entrypoint), container);
  buildah('commit', '--quiet', '--rm', container, name);
  buildah('push', name, `docker-archive:${archive}:${name}`);
}

function put(folder, file, path) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  cpSync(realpathSync(file), join(folder, path));
}
