import { noon } from '../../test/support/fake-clock';
import type {
  Created,
  Duplicate,
  Failed,
  FailureReason,
  Rejected,
  Resolved,
  SignalOutcome,
} from '../processing/signal-outcome';
import { countsOf, toResponse } from './signal-response';

const fingerprint = 'a3f8b2c1d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1';
const request = { namespace: 'prod-payment-service', name: 'remediation-highmemoryusage-a3f8b2' };

const created: Created = {
  status: 'created',
  reason: 'new',
  fingerprint,
  request,
  environment: 'production',
  environmentSource: 'namespace_label',
  priority: 'P1',
  prioritySource: 'fallback_table',
  count: 1,
  firstSeen: noon,
  lastSeen: noon,
};
const duplicate: Duplicate = {
  status: 'duplicate',
  reason: 'known',
  fingerprint,
  request,
  count: 2,
  firstSeen: noon,
  lastSeen: noon + 90_000,
};
const resolved: Resolved = { status: 'resolved', reason: 'resolved', fingerprint, request };
const heartbeat: SignalOutcome = { status: 'heartbeat', reason: 'heartbeat', fingerprint };
const invalid: Rejected = {
  status: 'rejected',
  reason: 'invalid',
  summary: "missing required field 'alertname'",
  details: ['alertname is required'],
};
const forbidden: Rejected = {
  status: 'rejected',
  reason: 'forbidden',
  fingerprint,
  summary: "The caller may not send signals for namespace 'bank'",
  details: ["The caller may not send signals for namespace 'bank'"],
};
const failedFor = (reason: FailureReason): Failed => ({
  status: 'failed',
  fingerprint,
  reason,
  cause: 'dial tcp 10.0.0.1:6443: password=hunter2',
});
const failed = failedFor('kubernetes_unavailable');
const bug = failedFor('internal_error');

describe('toResponse', () => {
  describe('of signals that their sender may not send', () => {
    it('says so, each namespace once, when it may send none of them', () => {
      const { status, body } = toResponse([forbidden, forbidden], 1);
      expect(status).toBe(403);
      expect(body).toMatchObject({
        type: 'https://kubernaut.io/problems/forbidden',
        error: `Authorization failed: ${forbidden.summary}`,
        details: { authorization_errors: [forbidden.summary] },
        results: [
          { status: 'rejected', reason: 'forbidden' },
          { status: 'rejected', reason: 'forbidden' },
        ],
      });
    });

    it.each([
      [[forbidden, created], 201],
      [[forbidden, duplicate], 202],
      [[forbidden, resolved], 202],
      [[forbidden, heartbeat], 202],
      [[forbidden, invalid], 400],
      [[forbidden, failed], 503],
    ])('lets the others decide', (outcomes, status) => {
      expect(toResponse(outcomes, 1).status).toBe(status);
    });
  });

  describe('of one signal', () => {
    it('says what was created', () => {
      expect(toResponse([created], 42)).toEqual({
        status: 201,
        body: {
          status: 'created',
          fingerprint,
          remediation_request_name: 'remediation-highmemoryusage-a3f8b2',
          namespace: 'prod-payment-service',
          environment: 'production',
          priority: 'P1',
          duplicate: false,
          storm_aggregation: false,
          environment_source: 'namespace_label',
          priority_source: 'fallback_table',
          reason: 'new',
          processing_time_ms: 42,
        },
      });
    });

    it('says how often and since when a duplicate was seen', () => {
      expect(toResponse([duplicate], 5)).toEqual({
        status: 202,
        body: {
          status: 'duplicate',
          fingerprint,
          duplicate: true,
          metadata: {
            count: 2,
            first_seen: '2025-10-04T12:00:00Z',
            last_seen: '2025-10-04T12:01:30Z',
            remediation_request_ref: 'remediation-highmemoryusage-a3f8b2',
          },
          reason: 'known',
          processing_time_ms: 5,
        },
      });
    });

    it('says which request a resolved one had, if one is known', () => {
      expect(toResponse([resolved], 1)).toEqual({
        status: 202,
        body: {
          status: 'resolved',
          fingerprint,
          remediation_request_name: request.name,
          reason: 'resolved',
          processing_time_ms: 1,
        },
      });
      expect(toResponse([{ status: 'resolved', reason: 'no_request', fingerprint }], 1)).toEqual({
        status: 202,
        body: { status: 'resolved', fingerprint, reason: 'no_request', processing_time_ms: 1 },
      });
    });

    it('acknowledges a heartbeat', () => {
      expect(toResponse([heartbeat], 1)).toEqual({
        status: 202,
        body: { status: 'heartbeat', fingerprint, processing_time_ms: 1 },
      });
    });

    it('refuses an invalid one in the words of the original document', () => {
      expect(toResponse([invalid], 1)).toEqual({
        status: 400,
        body: {
          type: 'https://kubernaut.io/problems/validation-error',
          title: 'Bad Request',
          status: 400,
          detail: "Signal validation failed: missing required field 'alertname'",
          error: "Signal validation failed: missing required field 'alertname'",
          details: { validation_errors: ['alertname is required'] },
          processing_time_ms: 1,
        },
      });
    });

    it('asks for one that failed again, and says why without the words of the dependency', () => {
      const { status, body } = toResponse([failed], 5_000);
      expect([status, body]).toEqual([
        503,
        {
          type: 'https://kubernaut.io/problems/unavailable',
          title: 'Service Unavailable',
          status: 503,
          detail: '1 of 1 signals could not be processed now, send them again',
          error: '1 of 1 signals could not be processed now, send them again',
          details: { retry: true, reasons: ['kubernetes_unavailable'] },
          processing_time_ms: 5_000,
        },
      ]);
    });

    it('says of a bug only that it is one', () => {
      expect(toResponse([bug], 1)).toEqual({
        status: 500,
        body: {
          type: 'https://kubernaut.io/problems/internal-error',
          title: 'Internal Server Error',
          status: 500,
          detail: 'An unexpected error occurred; its details are in the log of the gateway',
          error: 'An unexpected error occurred; its details are in the log of the gateway',
          processing_time_ms: 1,
        },
      });
    });
  });

  describe('of several signals', () => {
    it('has a summary and a result for each, in their order', () => {
      const outcomes = [created, invalid, duplicate, resolved, heartbeat];
      const { status, body } = toResponse(outcomes, 48);
      expect(status).toBe(201);
      expect(body).toEqual({
        status: 'processed',
        summary: {
          received: 5,
          created: 1,
          duplicate: 1,
          storm_aggregated: 0,
          resolved: 1,
          heartbeat: 1,
          ignored: 0,
          rejected: 1,
          failed: 0,
        },
        results: [
          expect.objectContaining({ status: 'created', remediation_request_name: request.name }),
          { status: 'rejected', reason: 'invalid', details: ['alertname is required'] },
          expect.objectContaining({ status: 'duplicate', metadata: expect.objectContaining({ count: 2 }) }),
          expect.objectContaining({ status: 'resolved' }),
          { status: 'heartbeat', fingerprint },
        ],
        processing_time_ms: 48,
      });
    });

    it('has the members of a problem and the results when some must be sent again', () => {
      const { status, body } = toResponse([created, failed, failedFor('deadline_exceeded'), failed], 9);
      expect(status).toBe(503);
      expect(body).toMatchObject({
        type: 'https://kubernaut.io/problems/unavailable',
        status: 503,
        error: '3 of 4 signals could not be processed now, send them again',
        details: { retry: true, reasons: ['kubernetes_unavailable', 'deadline_exceeded'] },
        summary: { received: 4, created: 1, failed: 3 },
        results: [
          { status: 'created' },
          { status: 'failed', reason: 'kubernetes_unavailable', fingerprint },
          { status: 'failed', reason: 'deadline_exceeded' },
          { status: 'failed' },
        ],
        processing_time_ms: 9,
      });
    });

    it('lists what is wrong with which when all are invalid, and a bounded number of it', () => {
      const two = { ...invalid, details: ['labels must be an object', 'alertname is required'] };
      expect(toResponse([invalid, two], 1)).toMatchObject({
        status: 400,
        body: {
          details: {
            validation_errors: [
              'alerts[0]: alertname is required',
              'alerts[1]: labels must be an object',
              'alerts[1]: alertname is required',
            ],
          },
          results: [{ status: 'rejected' }, { status: 'rejected' }],
        },
      });
      const { details } = toResponse(
        Array.from({ length: 60 }, () => invalid),
        1,
      ).body as {
        details: { validation_errors: string[]; more: number };
      };
      expect([details.validation_errors.length, details.more]).toEqual([50, 10]);
    });
  });

  it.each<[string, SignalOutcome[], number]>([
    ['a fault among successes', [created, duplicate, failed], 503],
    ['a fault among refusals', [invalid, failed], 503],
    ['a fault and a bug', [bug, failed], 503],
    ['a bug among successes', [created, bug], 500],
    ['something created among the rest', [duplicate, created, invalid, resolved], 201],
    ['duplicates only', [duplicate, duplicate], 202],
    ['a duplicate among refusals', [invalid, duplicate], 202],
    ['a resolved one among refusals', [invalid, resolved], 202],
    ['a heartbeat among refusals', [invalid, heartbeat], 202],
    ['refusals only', [invalid, invalid], 400],
    [
      'refusals by the cluster',
      [
        { ...invalid, reason: 'denied' },
        { ...invalid, reason: 'invalid_object' },
      ],
      400,
    ],
  ])('answers %s', (_, outcomes, status) => {
    expect(toResponse(outcomes, 1).status).toBe(status);
    expect(toResponse(outcomes.toReversed(), 1).status).toBe(status);
  });

  it.each<FailureReason>([
    'kubernetes_unavailable',
    'kubernetes_overloaded',
    'kubernetes_unauthenticated',
    'kubernetes_forbidden',
    'kubernetes_conflict',
    'quota_exceeded',
    'crd_unusable',
    'fallback_namespace_missing',
    'namespace_over_limit',
    'state_unavailable',
    'deadline_exceeded',
  ])('lets Alertmanager retry what failed for %s', (reason) => {
    expect(toResponse([failedFor(reason)], 1).status).toBe(503);
  });

  it('has only snake_case keys, and never the words of a dependency', () => {
    for (const outcomes of [
      [created],
      [duplicate],
      [resolved],
      [invalid],
      [failed],
      [created, failed, bug, invalid, heartbeat],
    ]) {
      const { body } = toResponse(outcomes, 1);
      expect(keysOf(body).filter((key) => !/^[a-z]+(_[a-z]+)*$/.test(key))).toEqual([]);
      expect(JSON.stringify(body)).not.toContain('hunter2');
    }
  });
});

describe('countsOf', () => {
  it('counts every outcome once', () => {
    const { received, ...counts } = countsOf([created, created, duplicate, failed, bug, invalid, heartbeat, resolved]);
    expect(received).toBe(8);
    expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(8);
    expect(counts).toMatchObject({ created: 2, failed: 2, storm_aggregated: 0, ignored: 0 });
  });
});

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)]);
}
