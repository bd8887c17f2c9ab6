import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { OpaServer } from '../../src/processing/priority/opa-server';
import { policyInputOf } from '../../src/processing/priority/policy-input';
import { aSignal } from '../support/a-signal';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { opaBinary } from '../support/opa';
import { RunningProcess } from '../support/process';

describe('OpaServer', () => {
  let server: Server;
  let answer: { status: number; body: string } | 'hang';
  const asked: { url: string | undefined; body: unknown }[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        asked.push({ url: request.url, body: JSON.parse(text) });
        if (answer !== 'hang') response.writeHead(answer.status).end(answer.body);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const input = policyInputOf(aSignal(), 'production', false);
  const ask = (to = new OpaServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)) => to.evaluate(input);

  it.each([
    ['a priority', { status: 200, body: '{"result":"P0"}' }, { priority: 'P0' }],
    ['no answer', { status: 200, body: '{}' }, { failure: 'undefined' }],
    ['another answer', { status: 200, body: '{"result":7}' }, { failure: 'invalid' }],
    ['a conflict', { status: 500, body: '{"code":"internal_error"}' }, { failure: 'error' }],
    ['something else', { status: 404, body: '' }, { failure: 'unavailable' }],
    ['silence', 'hang', { failure: 'unavailable' }],
  ] as const)('takes %s for what it is', async (_, told, verdict) => {
    answer = told;
    expect(await ask()).toMatchObject(verdict);
    expect(asked.at(-1)).toEqual({ url: '/v1/data/kubernaut/gateway/priority/priority', body: { input } });
  });

  it.each(['http://[', 'http://opa:99999', 'http://opa:8181/?x=1', 'http://opa:8181/#x'])(
    'is not made of %s',
    (base) => {
      expect(() => new OpaServer(base)).toThrow(`priority.opa_url: '${base}' is no URL of a server`);
    },
  );

  it('is left alone for a second after a failure, wherever the clock is set meanwhile', async () => {
    let now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    answer = { status: 503, body: '' };
    const opa = new OpaServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await ask(opa);
    const { length } = asked;
    expect(await ask(opa)).toMatchObject({ failure: 'unavailable' });
    expect(asked).toHaveLength(length);
    now += 1_001;
    jest.spyOn(Date, 'now').mockReturnValue(0);
    answer = { status: 200, body: '{"result":"P2"}' };
    expect(await ask(opa)).toEqual({ priority: 'P2' });
  });
});

describe('a real OPA server', () => {
  it('evaluates the policy that comes with the gateway', async () => {
    const port = await freePort();
    const policy = join(__dirname, '../../policies/priority.rego');
    const opa = await RunningProcess.start(opaBinary(), ['run', '--server', '--addr', `127.0.0.1:${port}`, policy]);
    try {
      await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200));
      const server = new OpaServer(`http://127.0.0.1:${port}`);
      const signal = aSignal({ labels: { tier: '0' } });
      expect(await server.evaluate(policyInputOf(signal, 'production', false))).toEqual({ priority: 'P0' });
      expect(await server.evaluate(policyInputOf(signal, 'staging', false))).toEqual({ priority: 'P2' });
    } finally {
      await opa.stop();
    }
  });
});
