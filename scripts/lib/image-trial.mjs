import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from './command.mjs';

/**
 * Runs what the image says it runs, as its user, in its root file system, which is read-only but for /tmp: what a pod of the chart is.
 * Throws when something is not as it must be.
 */
export async function tryImage(buildah, image) {
  const container = buildah('from', '--pull-never', image).trim();
  const root = buildah('mount', container).trim();
  const { config } = JSON.parse(buildah('inspect', '--type', 'image', image)).OCIv1;
  try {
    const inside = (args) => command(root, config, args);
    check(config.User === '65532:65532', `its user is ${config.User}`);
    check(!['bin/sh', 'bin/bash', 'usr/bin/sh'].some((shell) => existsSync(join(root, shell))), 'it has no shell');
    check(!existsSync(join(root, 'app/node_modules/jest')), 'it has no development dependency');
    check(/^\d/.test(outputOf(inside([...config.Entrypoint, '--version']))), 'the gateway says its version');
    const wrote = outputOf(
      inside(['node', '-p', 'try { fs.writeFileSync("/app/x", ""); "wrote" } catch (e) { e.code }']),
    );
    check(wrote === 'EROFS', 'its root is read-only');
    check(
      outputOf(inside(['node', '-p', 'process.getuid() + ":" + process.getgid()'])) === '65532:65532',
      'it is not root',
    );
    const rejected = 'require("/app/dist/program.js").compileProgram()?.cachedDataRejected';
    check(outputOf(inside(['node', '-p', rejected])) === 'false', 'it starts with what V8 has compiled of it');
    const own =
      'const p = "/tmp/p.rego"; fs.writeFileSync(p, process.argv[1]); child_process.execFileSync("node", ["dist/main.js", "policy", "check", p]).toString()';
    const rego = 'package kubernaut.gateway.priority\n\nimport rego.v1\n\ndefault priority := "P2"\n';
    check(outputOf(inside(['node', '-p', own, rego])).length > 0, 'opa in it compiles a policy');
    limitedHeap(inside);
    await serves(inside, config.Entrypoint);
    const size = Number(run('du', ['-sm', root]).split('\t')[0]);
    console.log(`  ${size} MB`);
  } finally {
    buildah('umount', container);
    buildah('rm', container);
  }
}

function check(holds, what) {
  if (!holds) throw new Error(`the image: not so that ${what}`);
  console.log(`  ${what}`);
}

/** The command line that runs `args` in the image, in namespaces of its own. */
function command(root, { Env: env, WorkingDir: workingDirectory, User: user }, args) {
  const [uid, gid] = user.split(':');
  const mounts = [
    'mount --make-rprivate /',
    'mount --bind "$ROOT" "$ROOT"',
    'mkdir -p "$ROOT/tmp" "$ROOT/proc" "$ROOT/sys" "$ROOT/dev"',
    'mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"',
    'mount -t proc proc "$ROOT/proc"',
    'mount --rbind /sys "$ROOT/sys"',
    'mount --bind /dev "$ROOT/dev"',
    'mount -o remount,ro,bind "$ROOT"',
    `exec setpriv --no-new-privs unshare --root "$ROOT" --wd "${workingDirectory}" --setgid ${gid} --setuid ${uid} "$@"`,
  ];
  // `env` is on this side: the image has none.
  return {
    file: 'unshare',
    args: [
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      'env',
      '-i',
      ...env,
      `ROOT=${root}`,
      '/bin/sh',
      '-euc',
      mounts.join('\n'),
      '-',
      ...args,
    ],
  };
}

function outputOf({ file, args }) {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0)
    throw new Error(`in the image: ${args.slice(-3).join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** Where a group with a limit can be made: the heap follows the limit of the container, and not the machine. */
function limitedHeap(inside) {
  const version1 = '/sys/fs/cgroup/memory';
  const group = join(existsSync(version1) ? version1 : '/sys/fs/cgroup', `kubernaut-gateway-${process.pid}`);
  const limit = join(group, existsSync(version1) ? 'memory.limit_in_bytes' : 'memory.max');
  try {
    mkdirSync(group);
    writeFileSync(limit, String(512 * 2 ** 20));
  } catch {
    rmSync(group, { recursive: true, force: true });
    console.log('  heap under a memory limit: not tried, no memory group can be made here');
    return;
  }
  try {
    const { file, args } = inside(['node', '-p', 'v8.getHeapStatistics().heap_size_limit / 2 ** 20']);
    const joined = ['-euc', `echo $$ > ${group}/cgroup.procs; exec "$@"`, '-', file, ...args];
    const heap = Number(outputOf({ file: '/bin/sh', args: joined }));
    check(heap > 256 && heap < 400, `its heap in 512 MiB is at most ${heap} MiB`);
  } finally {
    spawnSync('rmdir', [group]);
  }
}

async function serves(inside, entrypoint) {
  const args = [
    'standalone',
    '--listen',
    '127.0.0.1:0',
    '--api-listen',
    '127.0.0.1:0',
    '--token',
    'trial',
    '--data',
    '/tmp/objects',
  ];
  const { file, args: all } = inside([...entrypoint, ...args]);
  const child = spawn(file, all);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  try {
    const url = await printed(
      () => /gateway listening on (\S+)/.exec(output)?.[1],
      () => output,
    );
    await printed(
      async () => (await fetch(`${url}/ready`)).ok || undefined,
      () => output,
    );
    const post = async (authorization) => {
      const response = await fetch(`${url}/api/v1/signals/prometheus`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({
          version: '4',
          alerts: [
            {
              status: 'firing',
              labels: { alertname: 'Trial', namespace: 'test', pod: 'a' },
              startsAt: '2026-01-01T00:00:00Z',
            },
          ],
        }),
      });
      return response.status;
    };
    check((await post('Bearer nobody')) === 401, 'it refuses a caller whom nobody knows (401)');
    check((await post('Bearer trial')) === 201, 'it creates a request of an alert (201)');
    check((await post('Bearer trial')) === 202, 'it knows the alert again (202)');
    // The one process that the namespace began with ends with the gateway; SIGTERM is the gateway's.
    const gateway = run('pgrep', ['--parent', String(child.pid)]).trim();
    process.kill(Number(gateway), 'SIGTERM');
    const [code] = await ended;
    check(code === 0, 'it ends by itself when it is told to (exit code 0)');
  } finally {
    child.kill('SIGKILL');
  }
}

async function printed(find, output) {
  for (let attempt = 0; attempt < 300; attempt++) {
    const found = await find();
    if (found !== undefined) return found;
    await delay(100);
  }
  throw new Error(`the gateway in the image did not start:\n${output()}`);
}
