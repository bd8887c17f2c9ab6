// The processes of a measurement, each on loopback, and what the kernel knows of them.
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';
import { CpuQuota } from './quota.mjs';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const token = 'load';
const ticksPerSecond = 100;
const signals = ['SIGINT', 'SIGTERM'];
/** The limit of the chart. MiB. */
const memoryLimit = 512;

/** One core is for who is measured, where there are two. */
export const cores = availableParallelism() > 1 ? { measured: 1, others: 0 } : {};

export const shuffled = (list) =>
  list
    .map((item) => [Math.random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);

export class Processes {
  directory = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-load-'));
  children = [];
  quotas = [];

  interrupted = () => void this.end().finally(() => process.exit(1));

  constructor() {
    for (const signal of signals) process.on(signal, this.interrupted);
  }

  /** Ends all of them, the last one first. */
  async end() {
    for (const signal of signals) process.off(signal, this.interrupted);
    const ended = this.children.map(
      (child) => new Promise((resolve) => (hasEnded(child) ? resolve() : child.once('exit', resolve))),
    );
    for (const child of this.children.reverse()) child.kill('SIGKILL');
    await Promise.all(ended);
    for (const quota of this.quotas.splice(0)) quota.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A program of this folder that is spoken to by messages; `first` is what it says when it has started. */
  async fork(file, args = [], core, { env = {}, flags = [] } = {}) {
    const child = fork(here(file), args, { env: { ...process.env, ...env }, execArgv: flags });
    this.children.push(child);
    pin(child.pid, core);
    const first = await reply(child);
    return { child, pid: child.pid, first, ask: asker(child) };
  }

  /** Posts webhooks (generator.mjs), before all else on its core, where it may: that it is late is no fault of who is measured. */
  async punctualGenerator(core) {
    // With threads of equal rights it would wait for itself: one that spins until another is done never lets that one run.
    const generator = await this.fork('./generator.mjs', [], core, { flags: ['--single-threaded'] });
    spawnSync('chrt', ['--all-tasks', '--fifo', '--pid', '1', String(generator.pid)], { stdio: 'ignore' });
    return generator;
  }

  async floor({ api, redisPort, core }, env = {}) {
    const begin = performance.now();
    const { first, ...floor } = await this.fork('./floor.mjs', [String(redisPort), api], core, {
      env: { ...imageEnvironment(), ...env },
    });
    return { ...floor, ...first, token, startSeconds: (performance.now() - begin) / 1000 };
  }

  async redis(core) {
    const port = await freePort();
    const args = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      this.directory,
    ];
    // The others notice by their channel when whoever measures is gone.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', ...args], { stdio: 'ignore' });
    this.children.push(child);
    pin(child.pid, core);
    return port;
  }

  /**
   * The built gateway with its defaults, as the image runs it, ready; and how long it took from start to ready, in seconds.
   * `api` is the address of an API server that wants no credentials; else `kubeconfig` is a file.
   */
  async gateway({ api, kubeconfig = this.kubeconfig(api), redisPort, core, env = {} }) {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const begin = performance.now();
    const child = spawn(...onCore(core, process.execPath, [here('../../dist/main.js')]), {
      env: {
        ...process.env,
        ...imageEnvironment(),
        KUBECONFIG: kubeconfig,
        REDIS_ADDR: `127.0.0.1:${redisPort}`,
        GATEWAY_LISTEN_ADDR: `127.0.0.1:${port}`,
        GATEWAY_METRICS__LISTEN_ADDR: `127.0.0.1:${metricsPort}`,
        // All load has one sender.
        GATEWAY_RATE_LIMIT__AUTHENTICATED_REQUESTS_PER_MINUTE: '10000000',
        ...env,
      },
      // A log costs what it costs to write it; to read it would cost the measurement.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.children.push(child);
    let complaint = '';
    child.stderr.on('data', (chunk) => (complaint = `${complaint}${chunk}`.slice(-4096)));
    const url = `http://127.0.0.1:${port}`;
    while (!(await textOf(`${url}/ready`)).includes('"redis":{"status":"up"}')) {
      if (hasEnded(child)) throw new Error(`the gateway did not start: ${complaint}`);
      await pause(5);
    }
    return {
      pid: child.pid,
      ask: asker(child),
      url,
      token,
      startSeconds: (performance.now() - begin) / 1000,
    };
  }

  /** Lets a process have no more than this share of a core. */
  quota(pid, cores) {
    const quota = new CpuQuota(cores);
    this.quotas.push(quota);
    quota.add(pid);
    return quota;
  }

  kubeconfig(server) {
    const file = join(this.directory, `kubeconfig-${this.children.length}`);
    const config = {
      'current-context': 'load',
      clusters: [{ name: 'load', cluster: { server } }],
      users: [{ name: 'load', user: {} }],
      contexts: [{ name: 'load', context: { cluster: 'load', user: 'load', namespace: 'kubernaut-system' } }],
    };
    writeFileSync(file, JSON.stringify(config));
    return file;
  }
}

/** What the image sets, with the share of the memory limit in megabytes: here is no limit. And the probe, which answers to `probe`. */
export function imageEnvironment() {
  const dockerfile = readFileSync(here('../../Dockerfile'), 'utf8');
  const flags = /NODE_OPTIONS="([^"]*)"/.exec(dockerfile)[1];
  const allocator = [...dockerfile.matchAll(/\b(MALLOC_\w+)=(\d+)/g)].map(([, name, value]) => [name, value]);
  const fixed = flags.replace(
    /--max-old-space-size-percentage=(\d+)/,
    (_, share) => `--max-old-space-size=${Math.floor((memoryLimit * share) / 100)}`,
  );
  return {
    NODE_ENV: 'production',
    ...Object.fromEntries(allocator),
    NODE_OPTIONS: `${fixed} --import=${new URL('./probe.mjs', import.meta.url).href}`,
  };
}

async function textOf(url) {
  try {
    return await (await fetch(url)).text();
  } catch {
    return '';
  }
}

/** Seconds on a processor so far, all threads. */
export function cpuSeconds(pid) {
  // The name of the program stands in brackets and may contain anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

const hasEnded = ({ exitCode, signalCode }) => exitCode !== null || signalCode !== null;

function onCore(core, command, args) {
  return core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
}

export function pin(pid, core) {
  if (core !== undefined) execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}

const asker =
  (child) =>
  (message = 'count') => (child.send(message), reply(child));

function reply(child) {
  return new Promise((resolve, reject) => {
    const failed = (code) => reject(new Error(`a process of the measurement ended (${code})`));
    child.once('exit', failed);
    child.once('message', (message) => {
      child.off('exit', failed);
      resolve(message);
    });
  });
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
