import { assert, integer, property } from 'fast-check';
import { formatTimestamp, parseTimestamp } from './timestamp';

const tenOClock = Date.UTC(2025, 9, 4, 10);

describe('parseTimestamp', () => {
  it.each([
    ['2025-10-04T10:00:00Z', tenOClock],
    ['2025-10-04t10:00:00z', tenOClock],
    ['2025-10-04 10:00:00Z', tenOClock],
    ['2025-10-04T12:00:00+02:00', tenOClock],
    ['2025-10-04T04:30:00-05:30', tenOClock],
    ['2025-10-04T10:00:00.5Z', tenOClock + 500],
    ['2025-10-04T10:00:00.123456789Z', tenOClock + 123],
    ['2025-10-04T12:00:00.123456789+02:00', tenOClock + 123],
    ['9999-12-31T23:59:59.999Z', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
  ])('reads %s', (text, expected) => {
    expect(parseTimestamp(text)).toBe(expected);
  });

  it.each([
    ["Go's zero time", '0001-01-01T00:00:00Z'],
    ['the epoch, which a clock that was never set shows', '1970-01-01T00:00:00Z'],
    ['a year beyond 9999 by its offset', '9999-12-31T23:59:59-01:00'],
    ['a year of six digits', '+010000-01-01T00:00:00Z'],
    ['a time without an offset', '2025-10-04T10:00:00'],
    ['a date', '2025-10-04'],
    ['a thirteenth month', '2025-13-04T10:00:00Z'],
    ['a 30th of February', '2024-02-30T10:00:00Z'],
    ['a 29th of February in a common year', '2025-02-29T10:00:00Z'],
    ['a 25th hour', '2025-10-04T25:00:00Z'],
    ['garbage', 'yesterday'],
    ['an empty text', ''],
    ['a text that goes on', '2025-10-04T10:00:00Z\n'],
    ['a fraction of a million digits', `2025-10-04T10:00:00.${'1'.repeat(1_000_000)}Z`],
    ['a number', tenOClock],
    ['null', null],
    ['nothing', undefined],
    ['an object', {}],
  ])('takes %s for none', (_, value) => {
    expect(parseTimestamp(value)).toBeUndefined();
  });
});

it('takes the 29th of February of a leap year', () => {
  expect(parseTimestamp('2024-02-29T10:00:00Z')).toBe(Date.UTC(2024, 1, 29, 10));
});

describe('formatTimestamp', () => {
  it.each([
    [tenOClock, '2025-10-04T10:00:00Z'],
    [tenOClock + 120, '2025-10-04T10:00:00.120Z'],
  ])('writes %i as %s', (milliseconds, text) => {
    expect(formatTimestamp(milliseconds)).toBe(text);
  });

  it('writes what can be read again', () => {
    assert(
      property(integer({ min: 1, max: Date.UTC(9999, 11, 31) }), (milliseconds) => {
        expect(parseTimestamp(formatTimestamp(milliseconds))).toBe(milliseconds);
      }),
    );
  });
});
