import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventExamples } from '../../src/adapters/kubernetes-event/kubernetes-event.examples';
import { startTestGateway, type TestGateway } from '../support/test-gateway';

const path = '/api/v1/signals/kubernetes-event';
const fixture = (name: string) =>
  JSON.parse(readFileSync(join(__dirname, '../fixtures', `${name}.json`), 'utf8')) as Record<string, unknown>;
const event = (pod: string, members: object = {}) => ({
  type: 'Warning',
  reason: 'BackOff',
  involvedObject: { kind: 'Pod', namespace: 'test', name: pod },
  ...members,
});

describe('events of Kubernetes', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());
  const post = (body: unknown) => gateway.post(body, { path });
  const requestOf = async (resource: string) =>
    (await gateway.requests()).find(({ spec }) => spec.resource.name === resource);

  it.each([
    ['v1 without times', 'kubernetes-event/core-null-times', 'checkout-0', 'critical', '2025-10-04T10:00:00.512Z'],
    [
      'events.k8s.io/v1 with a series',
      'kubernetes-event/events-series',
      'checkout-1',
      'critical',
      '2025-10-04T10:00:00.512Z',
    ],
    [
      'an exporter',
      'kubernetes-event-exporter/back-off',
      'payment-api-7f9c9b6d5-x2x1z',
      'warning',
      '2025-10-04T10:00:02Z',
    ],
  ])('of %s become a request, once', async (_, file, resource, severity, firingTime) => {
    const sent = fixture(file);
    expect((await post(sent)).status).toBe(201);
    expect(await post({ ...sent, count: 24 })).toMatchObject({ status: 202, body: { status: 'duplicate' } });
    const request = await requestOf(resource);
    expect(request?.spec).toMatchObject({
      alertName: sent.reason,
      severity,
      firingTime,
      signalType: 'kubernetes-event',
      resource: { kind: 'Pod', name: resource },
      metadata: { source: 'kubernetes-event' },
      originalPayload: JSON.stringify(sent),
    });
    expect(request?.metadata.labels).toMatchObject({ 'kubernaut.io/source': 'kubernetes-event' });
  });

  it('about a node lie in the fallback namespace', async () => {
    const { status, body } = await post(fixture('kubernetes-event-exporter/node-not-ready'));
    expect([status, body.namespace, body.priority]).toEqual([201, 'kubernaut-system', 'P3']);
    expect((await requestOf('node-3'))?.spec).toMatchObject({ severity: 'critical', resource: { kind: 'Node' } });
  });

  it('that are normal, or its own, need nothing', async () => {
    for (const [sent, reason] of [
      [event('a', { type: 'Normal' }), 'normal_event'],
      [
        event('a', {
          involvedObject: { apiVersion: 'remediation.kubernaut.io/v1', kind: 'RemediationRequest', name: 'r' },
        }),
        'own_event',
      ],
    ] as const) {
      const { status, body } = await post(sent);
      expect([status, body]).toEqual([202, { status: 'ignored', reason, processing_time_ms: expect.any(Number) }]);
    }
    expect(await gateway.metric('gateway_signals_ignored_total', { source: 'kubernetes-event' })).toBeGreaterThan(0);
    expect(await requestOf('a')).toBeUndefined();
  });

  it('that are none are refused with all that is wrong', async () => {
    expect(await post({ kind: 'Event' })).toMatchObject({
      status: 400,
      body: {
        error: "Signal validation failed: missing required field 'reason'",
        details: {
          validation_errors: [
            'reason is required',
            'type is required',
            'involvedObject.kind is required',
            'involvedObject.name is required',
          ],
        },
      },
    });
    for (const body of [[], 'text', null, { items: [] }, { items: null }, { items: 'x' }, { items: [{}] }])
      expect((await post(body)).status).toBe(400);
  });

  it('in a list are answered each on its own', async () => {
    const items = [event('l-1'), event('l-2', { type: 'Normal' }), { reason: 'X' }, event('l-1'), null];
    const { status, body } = await post({ apiVersion: 'v1', kind: 'EventList', metadata: {}, items });
    expect([status, body.summary]).toMatchObject([
      201,
      { received: 5, created: 1, duplicate: 1, ignored: 1, rejected: 2 },
    ]);
    expect(body.results.map((result: { status: string }) => result.status)).toEqual([
      'created',
      'ignored',
      'rejected',
      'duplicate',
      'rejected',
    ]);
    expect((await post({ items: [event('x', { type: 'Normal' }), event('y', { type: 'Normal' })] })).status).toBe(202);
  });

  it('of the API explorer are answered as it says', async () => {
    const answers = [];
    for (const { value } of Object.values(eventExamples)) answers.push((await post(value)).status);
    expect(answers).toEqual([201, 201, 202]);
  });

  it('that are many and alike are a storm', async () => {
    const stormy = await startTestGateway({ storm_detection: { enabled: true } });
    try {
      const items = Array.from({ length: 20 }, (_, i) => event(`pod-${i}`, { metadata: { name: `e-${i}` } }));
      const { body } = await stormy.post({ items }, { path });
      expect(body.summary).toMatchObject({ received: 20, created: 6, storm_aggregated: 14 });
    } finally {
      await stormy.close();
    }
  });

  it('have the severities that are configured', async () => {
    const other = await startTestGateway({ adapters: { kubernetes_event: { severities: { BackOff: 'critical' } } } });
    try {
      await other.post(event('a'), { path });
      await other.post(event('b', { reason: 'Evicted' }), { path });
      expect((await other.requests()).map(({ spec }) => [spec.alertName, spec.severity]).sort()).toEqual([
        ['BackOff', 'critical'],
        ['Evicted', 'warning'],
      ]);
    } finally {
      await other.close();
    }
  });
});
