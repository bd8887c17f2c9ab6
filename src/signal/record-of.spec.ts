import { recordOf } from './record-of';

it('makes an object of entries, whatever their keys are called', () => {
  const entries = new Map([
    ['pod', 'api-1'],
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['7', 'z'],
  ]);
  const record = recordOf(entries);
  expect(Object.entries(record).sort()).toEqual([...entries].sort());
  expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
  expect(record).toEqual(Object.fromEntries(entries));
});
