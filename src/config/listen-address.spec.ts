import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { listenFailure, parseListenAddress } from './listen-address';

describe('parseListenAddress', () => {
  it.each([
    [':8080', { port: 8080 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ])('reads %s', (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each(['', '8080', 'a:', ':65536', '::1:80', 'a b:80'])('refuses %p, and says what to write', (text) => {
    expect(() => parseListenAddress(text)).toThrow(/is no address to listen on, write ":8080"/);
  });
});

describe('listenFailure', () => {
  const failureOf = async (host: string, port: number) => {
    const [error] = (await once(createServer().listen(port, host), 'error').catch((caught: unknown) => [caught])) as [
      Error,
    ];
    return listenFailure('--api-listen', `${host}:${port}`, error);
  };

  it('names the setting, and says what to do about an address that is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const failure = await failureOf('127.0.0.1', port);
    taken.close();
    expect(failure).toEqual(
      new Error(`--api-listen: cannot listen on 127.0.0.1:${port}: it is in use, choose another`),
    );
  });

  it('names the setting also for an address that this machine does not have', async () => {
    expect(String(await failureOf('192.0.2.1', 80))).toMatch(
      /--api-listen: cannot listen on 192\.0\.2\.1:80: .*EADDRNOTAVAIL/,
    );
  });

  it('leaves other errors as they are', () => {
    const error = new Error('the folder cannot be written');
    expect(listenFailure('--api-listen', ':80', error)).toBe(error);
  });
});
