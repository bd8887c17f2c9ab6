// The processes of a measurement, each on loopback, and what the kernel knows of them.
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const token = 'load';
const ticksPerSecond = 100;

export class Processes {
  directory = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-load-'));
  children = [];

  /** Ends all of them, the last one first. */
  async end() {
    const ended = this.children.map(
      (child) => new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve())),
    );
    for (const child of this.children.reverse()) child.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A program of this folder that is spoken to by messages; `first` is what it says when it has started. */
  async fork(file, args = [], core) {
    const child = fork(here(file), args);
    this.children.push(child);
    pin(child.pid, core);
    const first = await reply(child);
    return { child, first, ask: (message) => (child.send(message), reply(child)) };
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
    const child = spawn('redis-server', args, { stdio: 'ignore' });
    this.children.push(child);
    pin(child.pid, core);
    return port;
  }

  /** The built gateway with its defaults, ready; and how long it took from start to ready, in seconds. */
  async gateway({ api, redisPort, core, env = {} }) {
    const kubeconfig = join(this.directory, `kubeconfig-${this.children.length}`);
    const config = {
      'current-context': 'load',
      clusters: [{ name: 'load', cluster: { server: api } }],
      users: [{ name: 'load', user: {} }],
      contexts: [{ name: 'load', context: { cluster: 'load', user: 'load', namespace: 'kubernaut-system' } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const [port, metricsPort] = [await freePort(), await freePort()];
    const begin = performance.now();
    const child = spawn(...onCore(core, process.execPath, [here('../../dist/main.js')]), {
      env: {
        ...process.env,
        KUBECONFIG: kubeconfig,
        REDIS_ADDR: `127.0.0.1:${redisPort}`,
        GATEWAY_LISTEN_ADDR: `127.0.0.1:${port}`,
        GATEWAY_METRICS__LISTEN_ADDR: `127.0.0.1:${metricsPort}`,
        // All load has one sender.
        GATEWAY_RATE_LIMIT__AUTHENTICATED_REQUESTS_PER_MINUTE: '10000000',
        ...env,
      },
      // A log costs what it costs to write it; to read it would cost the measurement.
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.children.push(child);
    const url = `http://127.0.0.1:${port}`;
    while (!(await textOf(`${url}/ready`)).includes('"redis":{"status":"up"}')) {
      if (child.exitCode !== null) throw new Error('the gateway did not start');
      await pause(5);
    }
    return {
      pid: child.pid,
      url,
      metrics: `http://127.0.0.1:${metricsPort}/metrics`,
      token,
      startSeconds: (performance.now() - begin) / 1000,
    };
  }
}

export async function textOf(url) {
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

/** MiB. */
export function residentMib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function onCore(core, command, args) {
  return core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
}

function pin(pid, core) {
  if (core !== undefined) execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}

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
