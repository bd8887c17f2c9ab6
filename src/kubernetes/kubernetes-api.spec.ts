import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { eventually } from '../../test/support/eventually';
import { RecordingLog } from '../../test/support/recording-log';
import { deadlineIn } from '../deadline';
import { KubernetesApi } from './kubernetes-api';
import type { KubernetesApiError } from './kubernetes-api.error';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const status =
  (code: number, members: object = {}, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(code, headers).end(JSON.stringify({ kind: 'Status', code, ...members }));
const fine: Answer = (_, response) => void response.end('{"fine":true}');
const reset: Answer = (request) => void request.socket.destroy();
const hang: Answer = () => undefined;
const forEver = new Promise<void>(() => undefined);

describe('KubernetesApi', () => {
  let server: Server;
  /** What the server does with the next calls; then all is fine. */
  let script: Answer[];
  let tokens: (string | undefined)[];
  /** Whether it answers what costs nothing. */
  let isThere: boolean;
  let directory: string;
  let log: RecordingLog;
  let api: KubernetesApi;
  const call = (milliseconds = 4_500) => api.call('GET', '/x', { signal: deadlineIn(milliseconds).signal });
  const failureOf = async (work: Promise<unknown>): Promise<Partial<KubernetesApiError>> =>
    work.then(
      () => ({}),
      (error: unknown) => error as KubernetesApiError,
    );
  const writeToken = (token: string) => writeFileSync(join(directory, 'token'), token);

  beforeEach(async () => {
    script = [];
    tokens = [];
    isThere = false;
    server = createServer((request, response) => {
      if (request.url === '/version') {
        (isThere ? fine : hang)(request, response);
        return;
      }
      tokens.push(request.headers.authorization);
      (script.shift() ?? fine)(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    directory = mkdtempSync(join(tmpdir(), 'gateway-kubeconfig-'));
    writeToken('first');
    const address = server.address() as AddressInfo;
    const config = {
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${address.port}` } }],
      users: [
        {
          name: 'u',
          user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: join(directory, 'token') } } },
        },
      ],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    const kubeconfig = join(directory, 'kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify(config));
    log = new RecordingLog();
    api = await KubernetesApi.connect({ kubeconfig, context: '', connections: 8, callTimeoutMs: 500 }, log);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    server.closeAllConnections();
    server.close();
    await api.close();
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['a reset', reset],
    ['500', status(500)],
    ['503', status(503)],
    ['a call without an answer', hang],
    ['429 without a time', status(429)],
  ])('repeats a call after %s', async (_, fault) => {
    script.push(fault);
    expect(await call()).toEqual({ fine: true });
    expect(tokens).toHaveLength(2);
  });

  it('repeats a call twice, then it has failed', async () => {
    script.push(...Array.from({ length: 5 }, () => status(500)));
    expect(await failureOf(call())).toMatchObject({ failure: 'unavailable', statusCode: 500 });
    expect(tokens).toHaveLength(3);
  });

  it.each([
    ['400', 400, 'invalid'],
    ['403', 403, 'forbidden'],
    ['409', 409, 'conflict'],
    ['422', 422, 'invalid'],
  ])('does not repeat a call that was answered %s', async (_, code, failure) => {
    script.push(status(code));
    expect(await failureOf(call())).toMatchObject({ failure });
    expect(tokens).toHaveLength(1);
  });

  it('stays away for as long as the server asks', async () => {
    script.push(status(429, {}, { 'retry-after': '1' }));
    const begin = performance.now();
    expect(await call()).toEqual({ fine: true });
    expect(performance.now() - begin).toBeGreaterThan(990);
  });

  it('does not wait without end where no deadline bounds it', async () => {
    script.push(status(503, {}, { 'retry-after': '600' }));
    expect(await failureOf(api.call('GET', '/x'))).toMatchObject({ failure: 'unavailable', statusCode: 503 });
  });

  it.each([
    ['longer than there is time', 4_500, { 'retry-after': '10' }],
    ['too close to the deadline', 1_000, { 'retry-after': '1' }],
  ])('fails at once when that is %s', async (_, time, headers) => {
    script.push(status(429, {}, headers));
    expect(await failureOf(call(time))).toMatchObject({
      failure: 'overloaded',
      retryAfterMs: Number(headers['retry-after']) * 1000,
    });
    expect(tokens).toHaveLength(1);
  });

  it('sends nothing for a caller that waits no longer', async () => {
    expect(await failureOf(call(0))).toMatchObject({ failure: 'unavailable', abandoned: true });
    await call();
    expect(tokens).toHaveLength(1);
  });

  it('ends with its deadline, whatever the server does', async () => {
    script.push(hang, hang, hang);
    expect(await failureOf(call(700))).toMatchObject({ failure: 'unavailable' });
  });

  describe('when its own token is not accepted', () => {
    it('reads it again and repeats the call', async () => {
      expect(await call()).toEqual({ fine: true });
      writeToken('second');
      script.push(status(401, { reason: 'Unauthorized' }));
      expect(await call()).toEqual({ fine: true });
      expect(tokens).toEqual(['Bearer first', 'Bearer first', 'Bearer second']);
    });

    it('tells the refusal when it cannot be read now', async () => {
      script = [status(401)];
      rmSync(join(directory, 'kubeconfig'));
      expect(await failureOf(call())).toMatchObject({ failure: 'unauthenticated' });
      expect(await call()).toEqual({ fine: true });
    });

    it('does not wait for it longer than for an answer', async () => {
      jest.spyOn(KubeConfig.prototype, 'applyToHTTPSOptions').mockReturnValue(forEver);
      expect(await failureOf(call(100))).toMatchObject({ failure: 'unavailable' });
      expect(await failureOf(api.call('GET', '/x', { repeat: false }))).toMatchObject({ failure: 'unavailable' });
      expect(tokens).toEqual([]);
    });

    it('is asked for once by many, and takes its time without a word about the server', async () => {
      const read = jest.spyOn(KubeConfig.prototype, 'applyToHTTPSOptions').mockImplementation(async () => delay(400));
      const calls = Array.from({ length: 10 }, () => failureOf(call(100)));
      for (const failure of await Promise.all(calls)) expect(failure).toMatchObject({ failure: 'unavailable' });
      expect(api.circuit).toBe('closed');
      expect(await call()).toEqual({ fine: true });
      expect(read).toHaveBeenCalledTimes(1);
    });

    it('is renewed once for all whose calls were refused, and they all go through', async () => {
      let token = 'first';
      const read = jest.spyOn(KubeConfig.prototype, 'applyToHTTPSOptions').mockImplementation(async (options) => {
        const headers = { authorization: `Bearer ${token}` };
        await delay(150);
        Object.assign(options, { headers });
      });
      expect(await call()).toEqual({ fine: true });
      token = 'second';
      // They are refused one after the other, before and after it is renewed.
      const refusedLater =
        (afterMs: number): Answer =>
        (request, response) =>
          void setTimeout(() => status(401)(request, response), afterMs);
      script.push(...Array.from({ length: 8 }, (_, i) => refusedLater(i * 40)));
      const calls = Array.from({ length: 8 }, () => call());
      expect(await Promise.all(calls)).toEqual(calls.map(() => ({ fine: true })));
      expect(read).toHaveBeenCalledTimes(2);
      expect(tokens.slice(1)).toEqual([
        ...Array<string>(8).fill('Bearer first'),
        ...Array<string>(8).fill('Bearer second'),
      ]);
    });

    it('does so once, and tells who has to know', async () => {
      const refusals: string[] = [];
      api.onRefusal = ({ failure }) => void refusals.push(failure);
      script.push(status(401), status(401), status(401));
      expect(await failureOf(call())).toMatchObject({ failure: 'unauthenticated' });
      expect(tokens).toHaveLength(2);
      expect(refusals).toEqual(['unauthenticated']);
    });
  });

  describe('when the server does not answer any more', () => {
    const breakIt = async () => {
      script.push(...Array.from({ length: 5 }, () => status(500)));
      await failureOf(call());
      await failureOf(call());
    };

    it('suspends calls after five failures in a row, and says so once', async () => {
      await breakIt();
      expect(api.circuit).toBe('open');
      expect(tokens).toHaveLength(5);
      expect(await failureOf(call())).toMatchObject({
        failure: 'unavailable',
        message: expect.stringContaining('suspended'),
      });
      expect(tokens).toHaveLength(5);
      expect(log.messages).toEqual(['the API server does not answer: calls are suspended']);
    });

    it('tries one call after a while, and goes on when that is answered', async () => {
      await breakIt();
      await eventually(async () => expect(await call()).toEqual({ fine: true }));
      expect(api.circuit).toBe('closed');
      expect(log.messages).toEqual([
        'the API server does not answer: calls are suspended',
        'the API server answers again',
      ]);
    });

    it('fails other calls at once while one is tried, and a probe that is given up proves nothing', async () => {
      await breakIt();
      script.push(hang);
      await eventually(async () => {
        const probe = failureOf(call(300));
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(api.circuit).toBe('half-open');
        const begin = performance.now();
        expect(await failureOf(call())).toMatchObject({ message: expect.stringContaining('suspended') });
        expect(performance.now() - begin).toBeLessThan(200);
        expect(await probe).toMatchObject({ failure: 'unavailable' });
      });
      expect(api.circuit).toBe('open');
    });

    it('stays so while the probe fails', async () => {
      script.push(...Array.from({ length: 10 }, () => status(500)));
      await breakIt();
      await eventually(async () => {
        await failureOf(call());
        expect(tokens.length).toBeGreaterThan(5);
      });
      expect(api.circuit).toBe('open');
      expect(log.messages).toHaveLength(1);
    });

    it.each([
      ['refusals', status(403)],
      ['overload', status(429, {}, { 'retry-after': '9' })],
      ['a webhook that is down', status(500, { message: 'failed calling webhook "x": EOF' })],
    ])('takes %s for an answer', async (_, answer) => {
      script.push(...Array.from({ length: 20 }, () => answer));
      for (let i = 0; i < 20; i++) await failureOf(call());
      expect(api.circuit).toBe('closed');
    });

    it('counts refusals for answers in between', async () => {
      for (let i = 0; i < 8; i++) {
        script.push(status(500), status(500), status(500), status(404, { reason: 'NotFound' }));
        await failureOf(call());
        await failureOf(call());
      }
      expect(api.circuit).toBe('closed');
    });

    it('does not count calls that hang alone, as in the slow admission webhook of one namespace', async () => {
      isThere = true;
      script.push(...Array.from({ length: 30 }, () => hang));
      await Promise.all(Array.from({ length: 10 }, () => failureOf(call(1_800))));
      expect(api.circuit).toBe('closed');
    });

    it('counts calls that hang when nothing is answered', async () => {
      script.push(...Array.from({ length: 30 }, () => hang));
      await Promise.all(Array.from({ length: 10 }, () => failureOf(call(1_800))));
      expect(api.circuit).toBe('open');
    });

    it('does not count calls whose caller gave up early', async () => {
      script.push(...Array.from({ length: 8 }, () => hang));
      await Promise.all(Array.from({ length: 8 }, () => failureOf(call(50))));
      expect(api.circuit).toBe('closed');
    });
  });
});
