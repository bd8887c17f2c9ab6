import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster, startGatewayOn, untilReady } from '../support/a-cluster';
import { eventually } from '../support/eventually';
import { FaultyApi } from '../support/faulty-api';
import { postWebhook, requestsNamed, sender } from '../support/sender';
import { firing, webhook } from '../support/webhook';

const root = join(__dirname, '../..');
const body = (pod: string) =>
  JSON.stringify({ version: '4', alerts: [{ labels: { alertname: 'Life', namespace: 'test', pod } }] });

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly apiUrl: string;
  readonly output: () => string;
  exited: Promise<number | null>;
}

/** Starts the built gateway as its users do. */
async function startProcess(args: string[], env: Record<string, string> = {}): Promise<Running> {
  const child = spawn(process.execPath, ['dist/main.js', 'standalone', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const find = async (pattern: RegExp) => {
    for (let attempt = 0; attempt < 400; attempt++) {
      const found = pattern.exec(output)?.[1];
      if (found !== undefined) return found;
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`never printed ${String(pattern)}:\n${output}`);
  };
  const url = await find(/^gateway listening on (http:\S+)$/m);
  const apiUrl = await find(/^kubernetes api listening on (http:\S+)$/m);
  for (let attempt = 0; attempt < 200 && (await fetch(`${url}/ready`)).status !== 200; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { child, url, apiUrl, output: () => output, exited };
}

const post = (url: string, pod: string, token = 'life-token') =>
  fetch(`${url}/api/v1/signals/prometheus`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: body(pod),
  });

const namesIn = async (apiUrl: string) => {
  const list = (await (await fetch(`${apiUrl}/apis/remediation.kubernaut.io/v1/remediationrequests`)).json()) as {
    items: { spec: { resource: { name: string } } }[];
  };
  return list.items.map(({ spec }) => spec.resource.name).sort();
};

describe('a gateway that stops', () => {
  it.each([
    ['nothing', ''],
    ['half a request', 'GET /metrics HTTP/1.1\r\n'],
  ])('does not wait for who has sent %s to its metrics', async (_, text) => {
    const cluster = await startCluster();
    const gateway = await startGatewayOn(cluster.url, { metrics: { listen_addr: '127.0.0.1:0' } });
    const { port, hostname } = new URL(gateway.metricsUrl ?? '');
    const socket = connect(Number(port), hostname, () => socket.write(text));
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    await once(socket, 'connect');
    const begin = performance.now();
    await gateway.close();
    // Not as long as a request may take, nor the last call.
    expect(performance.now() - begin).toBeLessThan(5_000);
    await closed;
    await cluster.close();
  });

  it('answers all that one connection had sent before', async () => {
    const cluster = await startCluster();
    const api = await FaultyApi.start(cluster.url);
    const gateway = await startGatewayOn(api.url);
    try {
      await untilReady(gateway);
      api.fail({ method: 'POST', path: /\/remediationrequests\?(?!.*dryRun)/ }, { delayMs: 300 }, 10);
      const posts = ['a', 'b', 'c'].map((pod) => {
        const text = body(pod);
        return `POST /api/v1/signals/prometheus HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer ${sender.token}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
      });
      const { port, hostname } = new URL(gateway.url);
      const socket = connect(Number(port), hostname, () => socket.write(posts.join('')));
      let answers = '';
      socket.on('data', (chunk) => (answers += chunk.toString()));
      await eventually(() =>
        expect(api.count({ method: 'POST', path: /\/remediationrequests\?(?!.*dryRun)/ })).toBe(1),
      );
      await gateway.close();
      expect(answers.match(/HTTP\/1\.1 201/g)).toHaveLength(3);
    } finally {
      await api.close();
      await cluster.close();
    }
  });

  it('writes how often signals were seen that it still acknowledged', async () => {
    const cluster = await startCluster();
    const api = await FaultyApi.start(cluster.url);
    const gateway = await startGatewayOn(api.url, { server: { listen_addr: '127.0.0.1:0', shutdown_delay: '300ms' } });
    try {
      await untilReady(gateway);
      const send = () => postWebhook(gateway.url, webhook(firing({ alertname: 'Last', namespace: 'test', pod: 'a' })));
      expect((await send()).status).toBe(201);
      api.fail({ method: 'PATCH' }, { delayMs: 900 }, 100);
      let seen = 1;
      const closing = gateway.close();
      for (;;) {
        const answer = await send().catch(() => undefined);
        if (answer === undefined) break;
        expect(answer.status).toBe(202);
        seen++;
      }
      await closing;
      expect(seen).toBeGreaterThan(1);
      const [request] = await requestsNamed(cluster.url, 'Last');
      expect(request?.status?.deduplication?.occurrenceCount).toBe(seen);
    } finally {
      await api.close();
      await cluster.close();
    }
  });
});

describe('the life of a process', () => {
  let data: string;
  let running: Running | undefined;
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'kubernaut-gateway-spec-'));
  });
  afterEach(async () => {
    running?.child.kill('SIGKILL');
    await running?.exited;
    rmSync(data, { recursive: true, force: true });
  });

  it('prints commands that work as they are', async () => {
    running = await startProcess(['--listen', '127.0.0.1:0', '--data', data]);
    const commands = [...running.output().matchAll(/^ {2}(curl [\s\S]*?)\n\n/gm)].map(([, command = '']) => command);
    expect(commands).toHaveLength(3);
    const answers: string[] = [];
    for (const command of commands) answers.push(await shell(command));
    expect(JSON.parse(answers[0]!)).toMatchObject({ status: 'created', environment: 'production', priority: 'P1' });
    expect(JSON.parse(answers[1]!)).toMatchObject({ status: 'duplicate', metadata: { count: 2 } });
    expect(JSON.parse(answers[2]!)).toMatchObject({ items: [{ kind: 'RemediationRequest' }] });
  });

  it('stops cleanly on SIGTERM while eight clients send, and loses none that it acknowledged', async () => {
    running = await startProcess(['--listen', '127.0.0.1:0', '--data', data, '--token', 'life-token'], {
      GATEWAY_SERVER__SHUTDOWN_DELAY: '2s',
      GATEWAY_STORM_DETECTION__ENABLED: 'false',
    });
    const { url, child, exited } = running;
    const acknowledged: string[] = [];
    const failed: string[] = [];
    const enough = new AbortController();
    let sent = 0;
    const client = async () => {
      while (!enough.signal.aborted) {
        const pod = `pod-${sent++}`;
        const response = await post(url, pod).catch(() => undefined);
        (response?.status === 201 ? acknowledged : failed).push(pod);
        await response?.text();
      }
    };
    const traffic = Array.from({ length: 8 }, client);
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(50));
    child.kill('SIGTERM');
    await eventually(async () => expect((await fetch(`${url}/ready`)).status).toBe(503));
    const whileDraining = await post(url, 'while-draining');
    expect(whileDraining.status).toBe(201);
    expect(whileDraining.headers.get('connection')).toBe('close');
    enough.abort();
    await Promise.all(traffic);
    expect(await exited).toBe(0);
    expect(failed).toEqual([]);

    running = await startProcess(['--listen', '127.0.0.1:0', '--data', data, '--token', 'life-token']);
    expect(await namesIn(running.apiUrl)).toEqual([...acknowledged, 'while-draining'].sort());
  });

  it('keeps its objects as YAML files, and knows them again', async () => {
    running = await startProcess(['--listen', '127.0.0.1:0', '--data', data, '--token', 'life-token']);
    expect((await post(running.url, 'kept')).status).toBe(201);
    running.child.kill('SIGKILL');
    await running.exited;
    expect(readdirSync(data, { recursive: true }).map(String)).toContainEqual(
      expect.stringMatching(/remediation-life-[0-9a-f]{6}\.yaml$/),
    );

    running = await startProcess(['--listen', '127.0.0.1:0', '--data', data, '--token', 'life-token']);
    const again = await post(running.url, 'kept');
    expect(again.status).toBe(202);
    expect(await again.json()).toMatchObject({ status: 'duplicate', reason: 'live_request' });
  });

  it('follows its configuration file: log level and thresholds at once, and a mistake changes nothing', async () => {
    const file = join(data, 'gateway.yaml');
    writeFileSync(file, 'logging: { level: warn, format: json }\n');
    running = await startProcess(['--listen', '127.0.0.1:0', '--config', file, '--token', 'life-token']);
    const { output, url } = running;
    await post(url, 'quiet');
    expect(output()).not.toContain('signal processed');

    const changed = [
      'logging: { level: info, format: json }',
      'server: { max_body_bytes: 2048 }',
      'storm_detection: { rate_threshold: 1 }',
    ];
    writeFileSync(file, changed.join('\n'));
    await eventually(() => expect(output()).toContain('configuration reloaded'));
    expect(output()).toContain('"need_restart":["server.max_body_bytes"]');
    await post(url, 'loud');
    await eventually(() => expect(output()).toContain('signal processed'));
    expect(output()).toContain('storm detected for pattern');

    writeFileSync(file, 'logging: { level: shout }\n');
    await eventually(() => expect(output()).toContain('the changed configuration is not used'));
    expect((await post(url, 'still')).status).toBe(202);
  });

  it('says everything that is wrong with its configuration, and exits with 1', async () => {
    const child = spawn(process.execPath, ['dist/main.js', 'standalone'], {
      cwd: root,
      env: { ...process.env, LOG_LEVEL: 'loud', RATE_LIMIT_RPM: '-1', GATEWAY_NO__SUCH: '1' },
    });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(1);
    for (const name of ['LOG_LEVEL', 'RATE_LIMIT_RPM', 'GATEWAY_NO__SUCH']) expect(output).toContain(name);
  });

  it('says what is wrong with a command line', async () => {
    const child = spawn(process.execPath, ['dist/main.js', 'standalone', '--lisen', 'x'], { cwd: root });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(1);
    expect(output).toContain('--lisen');
    expect(output).toContain('--listen');
  });
});

function shell(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', () => resolve(output));
  });
}
