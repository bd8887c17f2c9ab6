import type { V1Condition, V1ObjectMeta } from '@kubernetes/client-node';
import type { Severity } from '../signal/severity';
import type { SignalLinks } from '../signal/signal';
import type { TargetResource } from '../signal/target-resource';
import type { StormType } from '../state/storm-windows';

export const remediationRequests = {
  group: 'remediation.kubernaut.io',
  version: 'v1',
  plural: 'remediationrequests',
  kind: 'RemediationRequest',
} as const;

/** What their CRD is called. */
export const requestsCrd = `${remediationRequests.plural}.${remediationRequests.group}`;

export const requestLabels = {
  fingerprint: 'kubernaut.io/fingerprint',
  severity: 'kubernaut.io/severity',
  environment: 'kubernaut.io/environment',
  priority: 'kubernaut.io/priority',
  source: 'kubernaut.io/source',
  storm: 'kubernaut.io/storm',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

/** The claim that a request was created for. */
export const claimAnnotation = 'kubernaut.io/claim';

/** Of the request of a storm: the signal that it was created for, which it carries though nothing else was written to it. */
export const firstMemberAnnotation = 'kubernaut.io/first-member';

/** One alert of a sender that still fires. Several may be one incident, e.g. those of two containers of a pod. */
export interface FiringAlert {
  /** The sender's own identity of it. */
  readonly fingerprint: string;
  /** Absent when the sender did not say. */
  readonly startsAt?: string;
}

/** So many of an incident's alerts are remembered one by one. */
export const maxFiringAlerts = 64;
/** Characters of a name of Kubernetes, and of a namespace or a kind; longer ones are cut where they are written. */
export const maxNameLength = 253;
export const maxLabelLength = 63;

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
  /** The workload that owns the object, where incidents are told apart by that. */
  readonly owner?: TargetResource;
  readonly fingerprint: string;
  readonly metadata: SignalLinks & {
    readonly source: string;
    /** Address of the Alertmanager that sent it; of another sender it is `externalURL`. */
    readonly alertManager?: string;
  };
  readonly signalType: string;
  readonly firingTime: string;
  readonly receivedTime: string;
  readonly generation: number;
  readonly firingAlerts?: readonly FiringAlert[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly environmentSource: string;
  readonly prioritySource: string;
  readonly storm?: StormSpec;
  readonly originalPayload: string;
  readonly payloadDigest: string;
}

/** Of the request of a storm: what made it one. */
export interface StormSpec {
  readonly isStorm: true;
  readonly type: StormType;
  /** In which time the signals were counted, e.g. `1m`. */
  readonly window: string;
  /** More than so many. */
  readonly threshold: number;
}

/** Some of the resources that a storm is about, one for each signal. */
export interface AffectedResource {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  /** The identity of the signal. */
  readonly fingerprint: string;
  readonly state: 'Firing' | 'Resolved';
}

export const maxAffectedResources = 100;

export interface StormStatus {
  readonly type?: StormType;
  readonly alertCount?: number;
  readonly resolvedCount?: number;
  readonly totalAffectedResources?: number;
  /** Of the memory of members that it was written by. */
  readonly version?: number;
  /** How often it was written without the memory that replicas share. */
  readonly writesApart?: number;
  readonly affectedResources?: readonly AffectedResource[];
  readonly windowStartedAt?: string;
  readonly lastMemberAt?: string;
  /** Members were counted whose names are lost, so that some may be counted twice. */
  readonly countApproximate?: boolean;
  /** How many of `alertCount` may be. */
  readonly maybeCountedTwice?: number;
  /** The requests, as `namespace/name`, of the signals before the storm was noticed. */
  readonly precededBy?: readonly string[];
  /** The write that made it what it is. */
  readonly writer?: string;
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
  readonly signal?: SignalStatus;
  readonly storm?: StormStatus;
}

/** What became of the signal since the request was created. Absent members have not changed since. `null` removes one. */
export interface SignalStatus {
  readonly state?: 'Firing' | 'Resolved';
  readonly severity?: string;
  readonly resolvedAt?: string | null;
  readonly firingAlerts?: readonly FiringAlert[];
  /** When it fired again although the request was over: it becomes the next generation when the cooldown ends. */
  readonly recurredAt?: string | null;
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
