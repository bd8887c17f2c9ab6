import { hash } from 'node:crypto';
import { labelOf, type Labels } from '../signal/labels';
import type { Signal } from '../signal/signal';
import { formatTimestamp } from '../signal/timestamp';
import { fingerprintLabel, labelValue, requestName } from './kubernetes-names';
import { beginningWithin, bytesOfMark, cut, mark, maxBytesOfCharacter, storedBytes } from './stored-text';
import {
  claimAnnotation,
  firstMemberAnnotation,
  maxNameLength,
  remediationRequests,
  requestLabels,
  type FiringAlert,
  type RemediationRequest,
  type StormSpec,
} from './remediation-request';

/** What the stages decided about a signal. */
export interface Classification {
  readonly environment: string;
  readonly environmentSource: string;
  readonly priority: string;
  readonly prioritySource: string;
}

/** Bytes as the API server stores them. Together with the payload's they keep a request under 256 KiB, whatever arrives. */
const labelBudget = 32 * 1024;
const annotationBudget = 40 * 1024;
const maxValueBytes = 4 * 1024;
/** Bytes of the payload's JSON text, and of that text once it is escaped within the request's. */
const maxPayloadBytes = 64 * 1024;
const maxStoredPayloadBytes = 112 * 1024;

/** What makes a request that of a storm. */
export interface StormIdentity {
  /** The same for every signal of its group: names arbitrate. */
  readonly title: string;
  readonly spec: StormSpec;
  /** The fingerprint of the signal that it is created for; absent when it goes on with those of an earlier one. */
  readonly firstMember?: string;
}

/** Where a request is created, and under which name. */
export interface RequestPlace {
  readonly namespace: string;
  /** Counts the episodes of the incident, from 1. */
  readonly generation: number;
  readonly digits?: 6 | 12;
}

/**
 * Builds the request for a signal.
 * @param firingAlerts the sender's alerts that are this incident now
 * @param claim whose claim it is created for, so that a create whose answer was lost can be told from another's
 * @param storm of the request of a storm; its fingerprint is that of the group
 */
export function buildRemediationRequest(
  signal: Signal,
  classification: Classification,
  place: RequestPlace,
  firingAlerts: readonly FiringAlert[] = [],
  claim?: string,
  storm?: StormIdentity,
): RemediationRequest {
  const { resource, links } = signal;
  const payload = JSON.stringify(signal.payload);
  return {
    apiVersion: `${remediationRequests.group}/${remediationRequests.version}`,
    kind: remediationRequests.kind,
    metadata: {
      name: requestName(
        storm ? `storm-${storm.title}` : signal.name,
        signal.fingerprint,
        place.generation,
        place.digits,
      ),
      namespace: place.namespace,
      labels: {
        [requestLabels.fingerprint]: fingerprintLabel(signal.fingerprint),
        [requestLabels.severity]: signal.severity,
        [requestLabels.environment]: labelValue(classification.environment),
        [requestLabels.priority]: classification.priority,
        [requestLabels.source]: signal.source,
        ...(storm ? { [requestLabels.storm]: 'true' } : {}),
        [requestLabels.managedBy]: 'kubernaut-gateway',
      },
      ...(claim === undefined ? {} : { annotations: annotationsOf(claim, storm?.firstMember) }),
    },
    spec: {
      alertName: cut(signal.name, maxValueBytes),
      severity: signal.severity,
      priority: classification.priority,
      environment: classification.environment,
      resource: {
        // Whoever sends an event says what these are.
        kind: cut(resource.kind, maxNameLength),
        name: cut(resource.name, maxNameLength),
        ...(resource.apiVersion === undefined ? {} : { apiVersion: cut(resource.apiVersion, maxNameLength) }),
        ...(signal.namespace === '' ? {} : { namespace: cut(signal.namespace, maxNameLength) }),
      },
      ...(signal.owner ? { owner: signal.owner } : {}),
      fingerprint: signal.fingerprint,
      metadata: {
        source: signal.source,
        // As the original document has it.
        ...optional(signal.source === 'prometheus' ? 'alertManager' : 'externalURL', links.externalURL),
        ...optional('generatorURL', links.generatorURL),
        ...optional('dashboardURL', links.dashboardURL),
        ...optional('panelURL', links.panelURL),
        ...optional('silenceURL', links.silenceURL),
        ...optional('imageURL', links.imageURL),
        ...optional('receiver', links.receiver),
        ...optional('groupKey', links.groupKey),
      },
      signalType: signal.source,
      firingTime: formatTimestamp(signal.startsAt),
      receivedTime: formatTimestamp(signal.receivedAt),
      generation: place.generation,
      firingAlerts,
      labels: within(labelBudget, signal.labels),
      annotations: within(annotationBudget, signal.annotations),
      environmentSource: classification.environmentSource,
      prioritySource: classification.prioritySource,
      ...(storm ? { storm: storm.spec } : {}),
      originalPayload: shortened(payload),
      payloadDigest: `sha256:${hash('sha256', payload, 'hex')}`,
    },
  };
}

function annotationsOf(claim: string, firstMember: string | undefined): Record<string, string> {
  return { [claimAnnotation]: claim, ...(firstMember === undefined ? {} : { [firstMemberAnnotation]: firstMember }) };
}

function optional<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined || value === '' ? {} : ({ [key]: cut(value, maxValueBytes) } as Record<K, string>);
}

/** The texts that fit into `budget` bytes of JSON, long values cut, and a mark that says how many did not fit. */
function within(budget: number, texts: Labels): Labels {
  if (fitsSurely(budget, texts)) return texts;
  const entries = Object.entries(texts);
  const kept: [string, string][] = [];
  let used = 0;
  for (const [key, value] of entries) {
    const short = cut(value, maxValueBytes);
    used += storedBytes(key) + storedBytes(short) + 6;
    if (used > budget) {
      kept.push(['kubernaut.io/omitted', `${entries.length - kept.length} of ${entries.length}`]);
      break;
    }
    kept.push([key, short]);
  }
  return Object.fromEntries(kept);
}

/** Whether nothing needs to be measured. */
function fitsSurely(budget: number, texts: Labels): boolean {
  let atMost = 0;
  for (const key in texts) {
    const { length } = labelOf(texts, key) ?? '';
    if (length * maxBytesOfCharacter > maxValueBytes) return false;
    atMost += (key.length + length) * maxBytesOfCharacter + 6;
  }
  return atMost <= budget;
}

/** The payload, or its beginning with a mark. A character that is cut in two is replaced. */
function shortened(payload: string): string {
  if (payload.length * maxBytesOfCharacter <= maxStoredPayloadBytes) return payload;
  const bytes = Buffer.from(payload);
  if (bytes.length <= maxPayloadBytes && storedBytes(payload) <= maxStoredPayloadBytes) return payload;
  const beginning = bytes.toString('utf8', 0, Math.min(bytes.length, maxPayloadBytes - bytesOfMark));
  return mark(beginningWithin(beginning, maxStoredPayloadBytes - bytesOfMark), payload.length);
}
