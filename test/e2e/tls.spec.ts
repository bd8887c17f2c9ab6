import { copyFileSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectPlain } from 'node:net';
import { once } from 'node:events';
import { connect } from 'node:tls';
import pino from 'pino';
import { Agent, request } from 'undici';
import { loadConfig } from '../../src/config/load-config';
import { startStandalone, type Standalone } from '../../src/standalone/standalone';
import { Certificates } from '../support/certificates';
import { eventually } from '../support/eventually';
import { firing, webhook } from '../support/webhook';

describe('a gateway that serves TLS', () => {
  let certificates: Certificates;
  let files: { cert_file: string; key_file: string };
  let standalone: Standalone;
  let url: string;
  let sender: Agent;
  const logged: string[] = [];

  beforeAll(async () => {
    certificates = new Certificates();
    files = { cert_file: join(certificates.directory, 'tls.crt'), key_file: join(certificates.directory, 'tls.key') };
    use('first');
    sender = new Agent({ connect: { ca: readFileSync(certificates.ca) } });
    standalone = await start();
    ({ url } = standalone.gateway);
    await eventually(async () => expect((await request(`${url}/ready`, { dispatcher: sender })).statusCode).toBe(200));
  });
  afterAll(async () => {
    await standalone.close();
    await sender.close();
    certificates.remove();
  });

  const start = (tls: object = {}) =>
    startStandalone({
      config: loadConfig({
        env: {},
        defaults: {
          server: { listen_addr: '127.0.0.1:0', shutdown_delay: '0s', tls: { enabled: true, ...files, ...tls } },
          metrics: { enabled: false },
          redis: { addr: '' },
        },
      }),
      logger: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
      apiListen: '127.0.0.1:0',
      token: 'good',
    });
  const use = (name: string) => {
    const { cert, key } = certificates.issue(name);
    copyFileSync(cert, files.cert_file);
    copyFileSync(key, files.key_file);
  };
  const servedName = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false }, () => {
        const { subject } = socket.getPeerCertificate();
        socket.end();
        resolve(String(subject.CN));
      });
      socket.once('error', reject);
    });
  const post = async (pod: string) => {
    const { statusCode, body } = await request(`${url}/api/v1/signals/prometheus`, {
      method: 'POST',
      dispatcher: sender,
      headers: { 'content-type': 'application/json', authorization: 'Bearer good' },
      body: JSON.stringify(webhook(firing({ alertname: 'OverTls', namespace: 'test', pod }))),
    });
    return { statusCode, body: (await body.json()) as object };
  };

  it('takes signals of who trusts its authority, and of nobody in plain text', async () => {
    expect(url).toMatch(/^https:/);
    expect(await post('a')).toMatchObject({ statusCode: 201, body: { status: 'created' } });
    await expect(fetch(url.replace('https:', 'http:'))).rejects.toThrow();
    await expect(fetch(url)).rejects.toThrow();
  });

  it('takes over a certificate that was renewed, without a restart, and none that cannot be used', async () => {
    expect(await servedName()).toBe('first');
    use('second');
    await eventually(async () => expect(await servedName()).toBe('second'));
    writeFileSync(files.cert_file, 'nonsense');
    await eventually(() => expect(logged.join('')).toContain('the renewed certificate cannot be used'));
    expect(await servedName()).toBe('second');
    expect((await post('b')).statusCode).toBe(201);
  });

  it('ends though somebody connects and says nothing', async () => {
    use('another');
    const another = await start();
    const silent = connectPlain(Number(new URL(another.gateway.url).port), '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    const ended = once(silent, 'close');
    await another.close();
    await ended;
    expect(silent.destroyed).toBe(true);
  });

  it('does not start without its files, or with some that do not go together, and says which', async () => {
    const other = certificates.issue('other');
    await expect(start({ cert_file: '/nowhere/tls.crt' })).rejects.toThrow(
      'server.tls.cert_file: /nowhere/tls.crt cannot be read (ENOENT)',
    );
    use('third');
    await expect(start({ key_file: other.key })).rejects.toThrow(/server\.tls: .* do not go together/);
  });
});
