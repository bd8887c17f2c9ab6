import { assert, integer, property } from 'fast-check';
import { formatDuration, parseDuration } from './duration';
import { parseListenAddress } from './listen-address';

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['0s', 0],
  ])('reads %s', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  it.each(['', '30', 's', '-1s', '1d', '1 s', '1s ', 'soon'])('does not read %j', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('writes what it can read again', () => {
    assert(
      property(integer({ min: 0, max: 1e9 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });
});

describe('addresses to listen on', () => {
  it.each([
    [':8080', { port: 8080 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ])('reads %s', (text, address) => expect(parseListenAddress(text)).toEqual(address));

  it.each(['', '8080', 'a b:1', ':65536', '::1:80', ':x'])('does not read %j', (text) =>
    expect(() => parseListenAddress(text)).toThrow('is no address to listen on'),
  );
});
