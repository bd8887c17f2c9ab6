import { memoryWarning } from './memory-warning';

const info = (limit: number, policy: string) =>
  `# Memory\r\nused_memory:1\r\nmaxmemory:${limit}\r\nmaxmemory_human:x\r\nmaxmemory_policy:${policy}\r\n`;

describe('memoryWarning', () => {
  it.each(['volatile-ttl', 'volatile-lru', 'allkeys-lru', 'allkeys-lfu'])(
    'is content with a limit and %s',
    (policy) => {
      expect(memoryWarning(info(100_000_000, policy))).toBeUndefined();
    },
  );

  it('warns of memory without a limit', () => {
    expect(memoryWarning(info(0, 'noeviction'))).toContain('no memory limit');
  });

  it('warns of a limit at which writes are refused', () => {
    expect(memoryWarning(info(100_000_000, 'noeviction'))).toContain('noeviction');
  });

  it('says nothing about what it cannot read', () => {
    expect(memoryWarning('')).toBeUndefined();
  });
});
