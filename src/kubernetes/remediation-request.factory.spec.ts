import { createHash } from 'node:crypto';
import {
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  oneof,
  property,
  record,
  string,
  tuple,
} from 'fast-check';
import { aSignal } from '../../test/support/a-signal';
import type { Labels } from '../signal/labels';
import type { Signal } from '../signal/signal';
import { maxFiringAlerts } from './remediation-request';
import { buildRemediationRequest } from './remediation-request.factory';

const classification = {
  environment: 'production',
  environmentSource: 'namespace_label',
  priority: 'P1',
  prioritySource: 'fallback_table',
};
const place = { namespace: 'prod-payment-service', generation: 1 };
const build = (overrides: Partial<Signal> = {}) => buildRemediationRequest(aSignal(overrides), classification, place);
/** As an API server stores it: Go's encoder escapes what HTML would read. */
const bytesOf = (value: unknown): number =>
  Buffer.byteLength(JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, '\\u0000'));
const KiB = 1024;

describe('buildRemediationRequest', () => {
  it('builds the whole request of a signal', () => {
    const signal = aSignal({
      startsAt: Date.parse('2025-10-04T10:00:00Z'),
      receivedAt: Date.parse('2025-10-04T10:00:05.250Z'),
      labels: { alertname: 'HighMemoryUsage', team: 'payments' },
      links: {
        externalURL: 'https://alertmanager.example.com',
        generatorURL: 'https://prometheus.example.com/graph',
        receiver: 'kubernaut-gateway',
        groupKey: '{}:{}',
      },
      payload: { labels: { alertname: 'HighMemoryUsage' } },
    });
    const digits = signal.fingerprint.slice(0, 6);
    const firingAlerts = [{ fingerprint: '8a9b0c1d2e3f4a5b', startsAt: '2025-10-04T10:00:00Z' }];
    expect(buildRemediationRequest(signal, classification, place, firingAlerts, 'a-claim')).toEqual({
      apiVersion: 'remediation.kubernaut.io/v1',
      kind: 'RemediationRequest',
      metadata: {
        name: `remediation-highmemoryusage-${digits}`,
        namespace: 'prod-payment-service',
        labels: {
          'kubernaut.io/fingerprint': signal.fingerprint.slice(0, 63),
          'kubernaut.io/severity': 'critical',
          'kubernaut.io/environment': 'production',
          'kubernaut.io/priority': 'P1',
          'kubernaut.io/source': 'prometheus',
          'app.kubernetes.io/managed-by': 'kubernaut-gateway',
        },
        annotations: { 'kubernaut.io/claim': 'a-claim' },
      },
      spec: {
        alertName: 'HighMemoryUsage',
        severity: 'critical',
        priority: 'P1',
        environment: 'production',
        resource: { kind: 'Pod', name: 'payment-api-789', apiVersion: 'v1', namespace: 'prod-payment-service' },
        fingerprint: signal.fingerprint,
        metadata: {
          source: 'prometheus',
          alertManager: 'https://alertmanager.example.com',
          generatorURL: 'https://prometheus.example.com/graph',
          receiver: 'kubernaut-gateway',
          groupKey: '{}:{}',
        },
        signalType: 'prometheus',
        firingTime: '2025-10-04T10:00:00Z',
        receivedTime: '2025-10-04T10:00:05.250Z',
        generation: 1,
        firingAlerts,
        labels: { alertname: 'HighMemoryUsage', team: 'payments' },
        annotations: { description: 'Pod using 95% memory' },
        environmentSource: 'namespace_label',
        prioritySource: 'fallback_table',
        originalPayload: '{"labels":{"alertname":"HighMemoryUsage"}}',
        payloadDigest: `sha256:${createHash('sha256').update('{"labels":{"alertname":"HighMemoryUsage"}}').digest('hex')}`,
      },
    });
  });

  it('keeps the origin of a signal whose request lies in the fallback namespace', () => {
    const request = buildRemediationRequest(aSignal({ namespace: 'gone' }), classification, {
      namespace: 'kubernaut-system',
      generation: 1,
    });
    expect([request.metadata.namespace, request.spec.resource.namespace]).toEqual(['kubernaut-system', 'gone']);
  });

  it('names no namespace for what has none, and no link that was not given', () => {
    const { spec } = build({ namespace: '', resource: { kind: 'Unknown', name: 'unknown' }, links: { receiver: '' } });
    expect(spec.resource).toEqual({ kind: 'Unknown', name: 'unknown' });
    expect(spec.metadata).toEqual({ source: 'prometheus' });
  });

  it.each([
    [{ ...place, generation: 2 }, /^remediation-highmemoryusage-[0-9a-f]{6}-2$/],
    [{ ...place, generation: 3, digits: 12 as const }, /^remediation-highmemoryusage-[0-9a-f]{12}-3$/],
  ])('says the generation of %j in name and spec', (at, name) => {
    const request = buildRemediationRequest(aSignal(), classification, at);
    expect(request.metadata.name).toMatch(name);
    expect(request.spec.generation).toBe(at.generation);
  });

  it('treats a label called __proto__ like any other', () => {
    const labels = JSON.parse('{"__proto__":"polluted","constructor":"c"}') as Labels;
    const written = JSON.stringify(build({ labels }).spec.labels);
    expect(written).toBe('{"__proto__":"polluted","constructor":"c"}');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('cuts a long value and says how long it was', () => {
    const { spec } = build({ annotations: { runbook: 'x'.repeat(1_000_000) } });
    expect(spec.annotations.runbook).toMatch(/^x+… \[cut, 1000000 characters\]$/);
    expect(bytesOf(spec.annotations.runbook)).toBeLessThanOrEqual(4 * KiB);
  });

  it.each([
    ['<'.repeat(500) + 'x'.repeat(9_000)],
    ['\n"\\'.repeat(3_000)],
    ['é\u2028'.repeat(3_000)],
    ['😀'.repeat(3_000)],
    ['\u0001x'.repeat(3_000)],
  ])('cuts a text no shorter than it must be: %#', (text) => {
    const value = build({ annotations: { text } }).spec.annotations.text ?? '';
    // As Go writes it.
    const stored = JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, '\\u0000');
    const bytes = Buffer.byteLength(stored) - 2;
    expect(bytes).toBeLessThanOrEqual(4 * KiB);
    expect(bytes).toBeGreaterThan(4 * KiB - 48);
  });

  it('keeps whole what is as long as it may be', () => {
    const name = 'n'.repeat(253);
    const generatorURL = `http://prometheus/graph?g0.expr=${'x'.repeat(4_000)}`;
    const { spec } = build({ resource: { kind: 'Pod', name }, links: { generatorURL } });
    expect(spec.resource.name).toBe(name);
    expect(spec.metadata.generatorURL).toBe(generatorURL);
  });

  it('leaves out the labels that are too many and says so', () => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`label-${i}`, 'x'.repeat(10)]));
    const { spec } = build({ labels });
    const kept = Object.keys(spec.labels).length - 1;
    expect(spec.labels['label-0']).toBe('x'.repeat(10));
    expect(spec.labels['kubernaut.io/omitted']).toBe(`${10_000 - kept} of 10000`);
  });

  it('keeps a payload of 64 KiB as it is, and the beginning of a longer one with a mark', () => {
    const payloadOf = (length: number) => ({ text: 'x'.repeat(length - '{"text":""}'.length) });
    const whole = build({ payload: payloadOf(64 * KiB) }).spec.originalPayload;
    expect(JSON.parse(whole)).toEqual(payloadOf(64 * KiB));

    const { originalPayload, payloadDigest } = build({ payload: payloadOf(64 * KiB + 1) }).spec;
    expect(originalPayload).toMatch(/^\{"text":"x+… \[cut, 65537 characters\]$/);
    expect(payloadDigest).toBe(
      `sha256:${createHash('sha256')
        .update(JSON.stringify(payloadOf(64 * KiB + 1)))
        .digest('hex')}`,
    );
  });

  it.each(['漢', '😀', 'é', '"', '\\', '\u0000', '\ud800', '\u2028', '<'])(
    'counts a payload of %j in bytes, not in characters',
    (character) => {
      const { originalPayload } = build({ payload: { text: character.repeat(300_000) } }).spec;
      expect(Buffer.byteLength(originalPayload)).toBeLessThanOrEqual(64 * KiB);
      expect(bytesOf(originalPayload)).toBeLessThanOrEqual(112 * KiB);
      expect(originalPayload.isWellFormed()).toBe(true);
    },
  );

  it('stays under 256 KiB when everything is as long as it can be', () => {
    for (const character of ['x', '漢', '😀', '"', '\u0001', '\ud800', '<', '\u2028']) {
      const long = character.repeat(300_000);
      const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}${long.slice(0, 300)}`, long]));
      const signal = aSignal({
        name: long,
        namespace: long,
        resource: { kind: long, name: long, apiVersion: long },
        labels: many,
        annotations: many,
        links: {
          externalURL: long,
          generatorURL: long,
          dashboardURL: long,
          panelURL: long,
          silenceURL: long,
          imageURL: long,
          receiver: long,
          groupKey: long,
        },
        payload: { long },
      });
      const fingerprint = long.slice(0, 64);
      const firing = Array.from({ length: maxFiringAlerts }, () => ({
        fingerprint,
        startsAt: '2025-10-04T10:00:05.250Z',
      }));
      const request = buildRemediationRequest(signal, classification, place, firing);
      expect(bytesOf(request)).toBeLessThan(256 * KiB);
    }
  });

  it('stays under 256 KiB, and valid, whatever arrives', () => {
    const character = constantFrom(
      'x',
      '"',
      '\\',
      '\u0000',
      '\u001f',
      'é',
      '漢',
      '😀',
      '\ud800',
      '\u2028',
      '\n',
      '<',
      '&',
    );
    const long = tuple(character, integer({ min: 0, max: 100_000 })).map(([unit, length]) => unit.repeat(length));
    const text = oneof(string({ unit: 'binary' }), long);
    const entries = dictionary(text, text, { maxKeys: 12, noNullPrototype: true });
    const signals = record({
      name: text,
      namespace: text,
      resource: record({ kind: text, name: text, apiVersion: text }),
      labels: entries,
      annotations: entries,
      links: record({ externalURL: text, groupKey: text }),
      payload: oneof(jsonValue(), array(text, { maxLength: 6 })),
    });
    assert(
      property(signals, (overrides) => {
        const request = build(overrides);
        expect(bytesOf(request)).toBeLessThan(256 * KiB);
        expect(request.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
        expect(request.metadata.name!.length).toBeLessThanOrEqual(253);
        for (const value of Object.values(request.metadata.labels!)) {
          expect(value).toMatch(/^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/);
        }
      }),
      { numRuns: 60 },
    );
  });
});
