import type { Signal } from '../signal/signal';
import { parseTimestamp } from '../signal/timestamp';
import { toKnownRequest } from './known-request';
import type { RemediationRequest, RemediationRequestSpec } from './remediation-request';

/**
 * The signal that a request was created for, as its next generation needs it. Values that were cut when the request was
 * built stay cut.
 * @param now when it counts as received, in milliseconds since the epoch
 */
export function signalOf(request: RemediationRequest, now: number): Signal {
  const { spec } = request;
  // One of another CRD may have none.
  const { labels, annotations } = spec as Partial<RemediationRequestSpec>;
  const { severity, firingAlerts } = toKnownRequest(request, now);
  const { source, alertManager, ...links } = spec.metadata;
  const [first] = firingAlerts.toSorted((a, b) => a.since - b.since);
  const since = first === undefined || first.since === 0 ? parseTimestamp(spec.firingTime) : first.since;
  return {
    source: spec.signalType || source,
    name: spec.alertName,
    status: 'firing',
    severity,
    namespace: spec.resource.namespace ?? '',
    resource: {
      kind: spec.resource.kind,
      name: spec.resource.name,
      ...(spec.resource.apiVersion === undefined ? {} : { apiVersion: spec.resource.apiVersion }),
    },
    ...(spec.owner === undefined ? {} : { owner: spec.owner }),
    labels: labels ?? {},
    annotations: annotations ?? {},
    startsAt: since ?? now,
    receivedAt: now,
    links: { ...links, ...(alertManager === undefined ? {} : { externalURL: alertManager }) },
    fingerprint: spec.fingerprint,
    // None of its sender's alerts fires, and yet it recurred: it tells of occurrences.
    ...(first === undefined ? { occurredAt: now } : { senderFingerprint: first.alert }),
    payload: parsed(spec.originalPayload),
  };
}

/** One that was cut is no JSON any more, and goes on as the text it is. */
function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload) as unknown;
  } catch {
    return payload;
  }
}
