import { FakeClock } from '../../test/support/fake-clock';
import { toKnownRequest } from './known-request';
import type { RemediationRequest, RemediationRequestStatus, SignalStatus } from './remediation-request';

const now = new FakeClock().now();
const fingerprint = 'a'.repeat(64);
const created = '2025-10-04T10:00:00Z';
const noon = '2025-10-04T11:30:00Z';

type Found = Parameters<typeof toKnownRequest>[0];

const found = (status?: RemediationRequestStatus): Found => ({
  apiVersion: 'remediation.kubernaut.io/v1',
  kind: 'RemediationRequest',
  // The API sends times as text, whatever the type of the library says.
  metadata: { namespace: 'prod', name: 'remediation-a', creationTimestamp: created as unknown as Date },
  spec: { fingerprint, generation: 3 },
  ...(status === undefined ? {} : { status }),
});
const overSince = (status: RemediationRequestStatus, before?: ReturnType<typeof toKnownRequest>) =>
  toKnownRequest(found(status), now, before).overSince;
const condition = (type: string, status: string) => ({
  type,
  status,
  reason: 'X',
  message: '',
  lastTransitionTime: noon as unknown as Date,
});

/** Of a request that says nothing of it. */
const untold = { resourceVersion: '', severity: 'warning', firingAlerts: [] };

describe('toKnownRequest', () => {
  it('knows a live request by its place, incident and generation', () => {
    expect(toKnownRequest(found(), now)).toEqual({
      namespace: 'prod',
      name: 'remediation-a',
      fingerprint,
      generation: 3,
      createdAt: Date.parse(created),
      ...untold,
    });
  });

  it('makes do with a request that somebody else wrote', () => {
    const bare = { apiVersion: 'v1', kind: 'RemediationRequest', metadata: {} } as RemediationRequest;
    expect(toKnownRequest(bare, now)).toEqual({
      namespace: '',
      name: '',
      fingerprint: '',
      generation: 1,
      createdAt: now,
      ...untold,
    });
  });

  it('knows how its signal stands', () => {
    const signal = {
      state: 'Resolved',
      resolvedAt: noon,
      severity: 'critical',
      firingAlerts: [{ fingerprint: 'b', startsAt: noon }],
      recurredAt: noon,
    } as const;
    expect(toKnownRequest(found({ signal }), now)).toMatchObject({
      resolvedSince: Date.parse(noon),
      severity: 'critical',
      firingAlerts: [{ alert: 'b', since: Date.parse(noon) }],
      recurredAt: Date.parse(noon),
    });
  });

  it('takes what fired when it was created for what fires, until its status says more', () => {
    const request = { ...found(), spec: { fingerprint, firingAlerts: [{ fingerprint: 'a', startsAt: created }] } };
    expect(toKnownRequest(request, now).firingAlerts).toEqual([{ alert: 'a', since: Date.parse(created) }]);
    const resolved = { ...request, status: { signal: { state: 'Resolved', firingAlerts: [] } } } as const;
    expect(toKnownRequest(resolved, now).firingAlerts).toEqual([]);
  });

  it('holds no more of a status that somebody else filled than there is room for', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => ({ fingerprint: `${i}`, startsAt: created }));
    expect(toKnownRequest(found({ signal: { firingAlerts: many } }), now).firingAlerts).toHaveLength(64);
    const nonsense = { severity: 'loud', firingAlerts: 'all' } as unknown as SignalStatus;
    expect(toKnownRequest(found({ signal: nonsense }), now)).toMatchObject(untold);
  });

  it.each(['Completed', 'Failed', 'TimedOut', 'Skipped', 'Cancelled'])(
    'takes a request that is %s for over',
    (phase) => {
      expect(overSince({ overallPhase: phase, completionTime: noon })).toBe(Date.parse(noon));
    },
  );

  it.each(['', 'Pending', 'Executing', 'completed', 'SomethingNew', 'constructor'])(
    'takes a request in phase "%s" for live',
    (phase) => {
      expect(overSince({ overallPhase: phase, completionTime: noon })).toBeUndefined();
    },
  );

  describe('of a request that is over, since when:', () => {
    const before = { ...toKnownRequest(found(), now), overSince: now - 60_000 };
    const conditions = [condition('Ready', 'True'), condition('Failed', 'True')];

    it('its completion time first', () => {
      const status = { overallPhase: 'Failed', completionTime: '2025-10-04T11:00:00Z', conditions };
      expect(overSince(status, before)).toBe(Date.parse('2025-10-04T11:00:00Z'));
    });

    it('else the condition that bears the name of its phase', () => {
      expect(overSince({ overallPhase: 'Failed', conditions }, before)).toBe(Date.parse(noon));
    });

    it('not a condition that is not met, nor another', () => {
      const unmet = [condition('Ready', 'True'), condition('Failed', 'False')];
      expect(overSince({ overallPhase: 'Failed', conditions: unmet })).toBe(now);
    });

    it.each([{ a: 1 }, [null], ['Failed'], 'Failed'])('not what somebody else made of its conditions: %j', (odd) => {
      expect(overSince({ overallPhase: 'Failed', conditions: odd as never })).toBe(now);
    });

    it('else the time at which we saw it first', () => {
      expect(overSince({ overallPhase: 'Failed' })).toBe(now);
      // An orchestrator's clock that is ahead must not stretch the cooldown.
      expect(overSince({ overallPhase: 'Failed', completionTime: '2999-01-01T00:00:00Z' })).toBe(now);
      expect(overSince({ overallPhase: 'Failed' }, before)).toBe(before.overSince);
    });

    it('not a time that makes no sense', () => {
      expect(overSince({ overallPhase: 'Failed', completionTime: 'yesterday' }, before)).toBe(before.overSince);
    });
  });

  it('remembers how often and when it was seen', () => {
    const deduplication = { occurrenceCount: 7, firstSeen: created, lastSeen: noon };
    expect(toKnownRequest(found({ deduplication }), now).occurrences).toEqual({
      count: 7,
      firstSeen: Date.parse(created),
      lastSeen: Date.parse(noon),
    });
    expect(toKnownRequest(found({ deduplication: { occurrenceCount: 2 } }), now).occurrences).toEqual({
      count: 2,
      firstSeen: Date.parse(created),
      lastSeen: Date.parse(created),
    });
    expect(toKnownRequest(found({ deduplication: {} }), now).occurrences).toBeUndefined();
  });
});
