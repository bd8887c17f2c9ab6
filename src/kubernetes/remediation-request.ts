import type { V1Condition, V1ObjectMeta } from '@kubernetes/client-node';
import type { Severity } from '../signal/severity';

export const remediationRequests = {
  group: 'remediation.kubernaut.io',
  version: 'v1',
  plural: 'remediationrequests',
  kind: 'RemediationRequest',
} as const;

export const requestLabels = {
  fingerprint: 'kubernaut.io/fingerprint',
  severity: 'kubernaut.io/severity',
  environment: 'kubernaut.io/environment',
  priority: 'kubernaut.io/priority',
  source: 'kubernaut.io/source',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

/** Written once by the gateway; the API server refuses every change. */
export interface RemediationRequestSpec {
  readonly alertName: string;
  readonly severity: Severity;
  readonly priority: string;
  readonly environment: string;
  readonly resource: {
    readonly kind: string;
    readonly name: string;
    readonly apiVersion?: string;
    readonly namespace?: string;
  };
  readonly fingerprint: string;
  readonly metadata: {
    readonly source: string;
    readonly alertManager?: string;
    readonly generatorURL?: string;
    readonly receiver?: string;
    readonly groupKey?: string;
  };
  readonly signalType: string;
  readonly firingTime: string;
  readonly receivedTime: string;
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly environmentSource: string;
  readonly prioritySource: string;
  readonly originalPayload: string;
  readonly payloadDigest: string;
}

/** Of the status, what the gateway reads or writes; the rest is the orchestrator's. */
export interface RemediationRequestStatus {
  readonly overallPhase?: string;
  readonly completionTime?: string;
  readonly conditions?: readonly V1Condition[];
  readonly deduplication?: {
    readonly occurrenceCount?: number;
    readonly firstSeen?: string;
    readonly lastSeen?: string;
  };
}

export interface RemediationRequest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: V1ObjectMeta;
  readonly spec: RemediationRequestSpec;
  readonly status?: RemediationRequestStatus;
}

/** Phases after which nothing more happens to a request. Phases that we do not know are not among them. */
const terminalPhases: ReadonlySet<string> = new Set(['Completed', 'Failed', 'TimedOut', 'Skipped', 'Cancelled']);

export function isTerminal(request: Pick<RemediationRequest, 'status'>): boolean {
  return terminalPhases.has(request.status?.overallPhase ?? '');
}
