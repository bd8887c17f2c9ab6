import { isSeverity, toSeverity } from './severity';

const mapping = new Map([
  ['page', 'critical'],
  ['sev1', 'critical'],
  ['ticket', 'info'],
  ['__proto__', 'critical'],
] as const);

describe('severity', () => {
  it.each([
    ['critical', 'critical'],
    ['warning', 'warning'],
    ['info', 'info'],
    ['Critical', 'critical'],
    [' WARNING ', 'warning'],
    ['page', 'critical'],
    ['SEV1', 'critical'],
    ['ticket', 'info'],
  ] as const)('of "%s" is %s', (text, severity) => {
    expect(toSeverity(text, mapping)).toBe(severity);
  });

  it.each([undefined, '', 'none', 'banana', 'toString', 'constructor', 'critical,warning', 'critical\u0000'])(
    'of %j, which is none that we know, is warning',
    (text) => {
      expect(toSeverity(text, mapping)).toBe('warning');
    },
  );

  it('maps names that objects are born with only if they are configured', () => {
    expect(toSeverity('__proto__', mapping)).toBe('critical');
    expect(toSeverity('__proto__', new Map())).toBe('warning');
  });

  it('recognises its own names only as they are written', () => {
    expect(['critical', 'Critical', 'page', ''].map(isSeverity)).toEqual([true, false, false, false]);
  });
});
