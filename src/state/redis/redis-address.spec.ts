import { parseRedisAddress } from './redis-address';

describe('parseRedisAddress', () => {
  it.each([
    ['redis:6380', { host: 'redis', port: 6380 }],
    ['redis-master.kubernaut-system.svc', { host: 'redis-master.kubernaut-system.svc', port: 6379 }],
    ['10.0.0.7:6379', { host: '10.0.0.7', port: 6379 }],
    ['[fd00::7]:6380', { host: 'fd00::7', port: 6380 }],
    ['[::1]', { host: '::1', port: 6379 }],
  ])('reads %s', (addr, expected) => {
    expect(parseRedisAddress(addr)).toEqual(expected);
  });

  it.each(['redis:port', 'redis:99999', 'fd00::7:6379'])('refuses %s', (addr) => {
    expect(() => parseRedisAddress(addr)).toThrow('Invalid URL');
  });
});
