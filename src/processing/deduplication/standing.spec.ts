import { assert, array, integer, option, property } from 'fast-check';
import { aKnownRequest } from '../../../test/support/a-known-request';
import { noon } from '../../../test/support/fake-clock';
import type { KnownRequest } from '../../kubernetes/known-request';
import { standingOf } from './standing';

const cooldown = 300_000;
const live = (generation: number): KnownRequest =>
  aKnownRequest({ name: `remediation-a-${generation}`, generation, createdAt: noon - 3_600_000 });
const over = (generation: number, millisecondsAgo: number): KnownRequest => ({
  ...live(generation),
  overSince: noon - millisecondsAgo,
});
const of = (...requests: KnownRequest[]) => standingOf(requests, noon, cooldown);

describe('standingOf', () => {
  it('opens the first generation of an incident that has no request', () => {
    expect(of()).toEqual({ kind: 'open', generation: 1 });
  });

  it.each([
    ['alone', [live(1)], 1],
    ['after one that is long over', [live(2), over(1, cooldown + 1)], 2],
    ['after one that is cooling down', [over(1, 0), live(2)], 2],
    ['of an earlier generation than one that is over', [live(1), over(2, cooldown + 1)], 1],
    ['and the newest of two', [live(1), live(3), over(4, 0)], 3],
  ])('lets a live request carry the signal: %s', (_, requests, generation) => {
    expect(of(...requests)).toEqual({ kind: 'carried', request: live(generation), reason: 'live_request' });
  });

  it.each([0, 1, cooldown - 1, -1_000])('lets a request that is over for %i ms carry it still', (age) => {
    expect(of(over(1, age))).toEqual({ kind: 'carried', request: over(1, age), reason: 'cooling_down' });
  });

  it('opens the next generation when the cooldown ends', () => {
    expect(of(over(1, cooldown))).toEqual({ kind: 'open', generation: 2, over: over(1, cooldown) });
  });

  it('counts from the highest generation, whatever was cleaned up', () => {
    expect(of(over(7, cooldown), over(3, cooldown))).toMatchObject({ kind: 'open', generation: 8 });
  });

  it('waits for the cooldown of whichever request ended last', () => {
    expect(of(over(2, cooldown + 1), over(1, 10))).toMatchObject({ kind: 'carried', request: { generation: 1 } });
  });

  describe('of what tells of an occurrence', () => {
    const happened = (occurredAt: number, ...requests: KnownRequest[]) =>
      standingOf(requests, noon, cooldown, occurredAt);
    const longOver = over(1, 2 * cooldown);

    it.each([0, 1, 3_600_000])('lets the request carry it that was over %i ms later', (before) => {
      expect(happened(noon - 2 * cooldown - before, longOver)).toEqual({
        kind: 'carried',
        request: longOver,
        reason: 'happened_before',
      });
    });

    it('opens the next generation for what happened since', () => {
      expect(happened(noon - 2 * cooldown + 1, longOver)).toMatchObject({ kind: 'open', generation: 2 });
    });

    it('lets the newest of them carry it', () => {
      expect(happened(noon - 3 * cooldown, longOver, over(2, cooldown + 1))).toMatchObject({
        kind: 'carried',
        request: { generation: 2 },
      });
    });
  });

  it('does not need a cooldown', () => {
    expect(standingOf([over(1, 0)], noon, 0)).toMatchObject({ kind: 'open', generation: 2 });
  });

  it('never opens a generation that exists, and leaves the list as it was', () => {
    const ages = array(option(integer({ min: 0, max: 2 * cooldown }), { nil: undefined }), { maxLength: 6 });
    assert(
      property(ages, (all) => {
        const requests = all.map((age, i) => (age === undefined ? live(i + 1) : over(i + 1, age)));
        const standing = of(...Object.freeze(requests));
        const counts = all.some((age) => age === undefined || age < cooldown);
        expect(standing.kind).toBe(counts ? 'carried' : 'open');
        expect(standing.kind === 'open' ? standing.generation : all.length + 1).toBe(all.length + 1);
      }),
    );
  });
});
