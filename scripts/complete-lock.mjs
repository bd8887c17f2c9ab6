// Adds the platform packages that npm left out of the lock file, after a package that ships programs was upgraded:
//
//   node scripts/complete-lock.mjs
//
// npm writes only those optional dependencies that the machine could see; `npm ci` elsewhere refuses a lock without the others.
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'package-lock.json';
const platform = /(android|darwin|freebsd|linux|openharmony|win32)-([a-z0-9]+)(?:-([a-z]+))?$/;
const libc = { gnu: { libc: ['glibc'] }, musl: { libc: ['musl'] } };

const lock = JSON.parse(readFileSync(file, 'utf8'));
let added = 0;
for (const [path, owner] of Object.entries(lock.packages)) {
  if (path === '') continue;
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${path}/node_modules/${name}`]) continue;
    const [, os, cpu, abi] = platform.exec(name) ?? [];
    if (os === undefined || !/^\d/.test(version)) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(owner.dev ? { dev: true } : {}),
      ...libc[abi],
      license: owner.license,
      optional: true,
      os: [os],
      ...(owner.engines ? { engines: owner.engines } : {}),
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`added ${added} packages to ${file}`);
