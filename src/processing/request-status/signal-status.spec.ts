import { aKnownRequest } from '../../../test/support/a-known-request';
import { noon } from '../../../test/support/fake-clock';
import type { KnownRequest } from '../../kubernetes/known-request';
import { formatTimestamp } from '../../signal/timestamp';
import { deduplicationAfter, firingAlertsAfter, signalStatusAfter } from './signal-status';
import type { Sighting } from './sighting';

const minute = 60_000;
const fires = (alert: string, startsAt = noon, more: Partial<Sighting> = {}): Sighting => ({
  status: 'firing',
  alert,
  severity: 'warning',
  startsAt,
  receivedAt: noon + minute,
  ...more,
});
const resolves = (alert: string, endsAt?: number): Sighting => ({
  ...fires(alert),
  status: 'resolved',
  ...(endsAt === undefined ? {} : { endsAt }),
});
const since = (name: string, time: number) => ({ alert: name, since: time });
/** A request that these alerts fire for, since noon. */
const firing = (...alerts: string[]): KnownRequest =>
  aKnownRequest({ severity: 'warning', firingAlerts: alerts.map((name) => since(name, noon)) });
const resolved = (): KnownRequest => aKnownRequest({ severity: 'warning', resolvedSince: noon });
const after = (known: KnownRequest, ...sightings: Sighting[]) => signalStatusAfter(known, sightings);
const alert = (fingerprint: string, startsAt = noon) => ({ fingerprint, startsAt: formatTimestamp(startsAt) });

describe('how the signal of a request stands', () => {
  it('has nothing to write when an alert that is known to fire is sent again', () => {
    expect(after(firing('a'), fires('a'), fires('a'))).toBeUndefined();
  });

  it('is resolved when the only alert is, at the time that the sender says, else when it was received', () => {
    const resolvedAt = noon + minute;
    const expected = { state: 'Resolved', severity: 'warning', firingAlerts: [], recurredAt: null };
    expect(after(firing('a'), resolves('a', noon + 1_000))).toEqual({
      ...expected,
      resolvedAt: formatTimestamp(noon + 1_000),
    });
    expect(after(firing('a'), resolves('a'))).toEqual({ ...expected, resolvedAt: formatTimestamp(resolvedAt) });
  });

  it('is still firing while another alert of the incident fires, and resolved when the last one is', () => {
    expect(after(firing('a', 'b'), resolves('a'))).toMatchObject({ state: 'Firing', firingAlerts: [alert('b')] });
    expect(after(firing('a', 'b'), resolves('a'), resolves('b'))).toMatchObject({ state: 'Resolved' });
    expect(after(firing('b'), resolves('a'))).toBeUndefined();
  });

  it('is resolved by any alert when none is known to fire, as of a request that was not created here', () => {
    expect(after(firing(), resolves('x'))).toMatchObject({ state: 'Resolved' });
  });

  describe('when something happens, and nobody says that it goes on', () => {
    const happens = (occurredAt: number, more: Partial<Sighting> = {}) => fires('event', noon, { occurredAt, ...more });

    it('waits for the end of alerts alone', () => {
      expect(after(firing('a'), happens(noon))).toBeUndefined();
      expect(after(firing('a'), happens(noon), resolves('a'))).toMatchObject({ state: 'Resolved', firingAlerts: [] });
      expect(firingAlertsAfter(undefined, [happens(noon)])).toEqual([]);
    });

    it('takes its severity, and fires again', () => {
      expect(after(firing('a'), happens(noon, { severity: 'critical' }))).toMatchObject({ severity: 'critical' });
      expect(after(resolved(), happens(noon + 1_000))).toMatchObject({ state: 'Firing', firingAlerts: [] });
    });

    it('does not fire again by what was received before it resolved and is written late', () => {
      const received = (receivedAt: number) => fires('b', noon - minute, { receivedAt });
      expect(after(resolved(), received(noon - 1))).toBeUndefined();
      expect(after(resolved(), received(noon))).toMatchObject({ state: 'Firing' });
    });

    it('does not fire again for what happened before it resolved', () => {
      expect(after(resolved(), happens(noon, { severity: 'critical' }))).toBeUndefined();
    });

    it('recurs after its request was over, and not for what happened before', () => {
      const over = { ...firing(), overSince: noon };
      expect(after(over, happens(noon))).toBeUndefined();
      expect(after(over, happens(noon + 1))).toMatchObject({ recurredAt: formatTimestamp(noon + minute) });
    });
  });

  it('has nothing to write when what resolved resolves again', () => {
    expect(after(resolved(), resolves('a'))).toBeUndefined();
  });

  it('fires again when an alert does', () => {
    expect(after(resolved(), fires('a', noon + minute))).toEqual({
      state: 'Firing',
      severity: 'warning',
      firingAlerts: [alert('a', noon + minute)],
      resolvedAt: null,
      recurredAt: null,
    });
  });

  it('lets firing win in one batch, in whatever order it stands there', () => {
    expect(after(firing('a'), fires('a'), resolves('a'))).toBeUndefined();
    expect(after(firing('a'), resolves('a'), fires('a'))).toBeUndefined();
    expect(after(firing('a'), resolves('a'), fires('b'))).toMatchObject({
      state: 'Firing',
      firingAlerts: [alert('b')],
    });
  });

  it('ignores the end of an earlier firing', () => {
    const again = after(firing('a'), fires('a', noon + 10 * minute));
    expect(again).toMatchObject({ firingAlerts: [alert('a', noon + 10 * minute)] });
    const known = aKnownRequest({ severity: 'warning', firingAlerts: [since('a', noon + 10 * minute)] });
    expect(after(known, resolves('a', noon + 5 * minute))).toBeUndefined();
    expect(after(known, resolves('a', noon + 10 * minute))).toMatchObject({ state: 'Resolved' });
  });

  it('judges the end of an alert by its own beginning, not by that of another', () => {
    const known = aKnownRequest({
      firingAlerts: [since('a', noon), since('b', noon + 10 * minute)],
    });
    expect(after(known, resolves('a', noon + 5 * minute))).toMatchObject({
      state: 'Firing',
      firingAlerts: [alert('b', noon + 10 * minute)],
    });
  });

  it('does not take the time of receipt for a new beginning', () => {
    const { startsAt: _, ...unsaid } = fires('a');
    expect(after(firing('a'), unsaid)).toBeUndefined();
    expect(after(resolved(), unsaid)).toMatchObject({ firingAlerts: [{ fingerprint: 'a' }] });
    const known = aKnownRequest({ severity: 'warning', firingAlerts: [since('a', 0)] });
    expect(after(known, resolves('a', noon - minute))).toMatchObject({ state: 'Resolved' });
  });

  it('raises the severity, and never lowers it', () => {
    expect(after(firing('a'), fires('a', noon, { severity: 'critical' }))).toMatchObject({ severity: 'critical' });
    expect(after(firing('a'), fires('a', noon, { severity: 'info' }))).toBeUndefined();
  });

  it('remembers as many alerts as there is room for', () => {
    const sightings = Array.from({ length: 100 }, (_, i) => fires(`${i}`));
    const status = signalStatusAfter(firing(), sightings);
    expect(status?.firingAlerts).toHaveLength(64);
    expect(firingAlertsAfter(undefined, sightings)).toHaveLength(64);
    const full = aKnownRequest({
      severity: 'warning',
      firingAlerts: sightings.slice(0, 64).map((s) => since(s.alert, noon)),
    });
    expect(after(full, fires('one too many'))).toBeUndefined();
  });

  it('begins the next generation with what fired before and has not resolved', () => {
    const alerts = firingAlertsAfter(firing('a', 'b', 'c'), [resolves('b'), fires('d')]);
    expect(alerts.map(({ fingerprint }) => fingerprint)).toEqual(['a', 'c', 'd']);
  });

  describe('of a request that is over', () => {
    const over = (more: Partial<KnownRequest> = {}) => ({ ...firing('a'), overSince: noon, ...more });
    const recurredAt = formatTimestamp(noon + minute);

    it('is remembered when it fires again, since the first time', () => {
      expect(after(over(), fires('a'))).toMatchObject({ state: 'Firing', recurredAt });
      expect(after(over({ recurredAt: noon + 1_000 }), fires('a'))).toBeUndefined();
    });

    it('is forgotten when it resolves as a whole', () => {
      const known = over({ recurredAt: noon + 1_000 });
      expect(after(known, resolves('a'))).toMatchObject({ state: 'Resolved', recurredAt: null });
      const two = {
        ...known,
        firingAlerts: [since('a', noon), since('b', noon)],
      };
      expect(after(two, resolves('a'))).toMatchObject({ state: 'Firing', recurredAt: formatTimestamp(noon + 1_000) });
    });
  });
});

describe('how often a signal was seen', () => {
  const seen = (count: number, lastSeen = noon) => ({ count, firstSeen: noon - minute, lastSeen });

  it('is written as it stands in the shared memory', () => {
    expect(deduplicationAfter(aKnownRequest(), seen(3))).toEqual({
      occurrenceCount: 3,
      firstSeen: formatTimestamp(noon - minute),
      lastSeen: formatTimestamp(noon),
    });
  });

  it('never goes back, whatever the memory has forgotten', () => {
    const known = aKnownRequest({ occurrences: { count: 40, firstSeen: noon - 5 * minute, lastSeen: noon - minute } });
    expect(deduplicationAfter(known, seen(2))).toEqual({
      occurrenceCount: 40,
      firstSeen: formatTimestamp(noon - 5 * minute),
      lastSeen: formatTimestamp(noon),
    });
  });

  it('is not written again when it is the same', () => {
    expect(deduplicationAfter(aKnownRequest({ occurrences: seen(3) }), seen(3))).toBeUndefined();
  });
});
