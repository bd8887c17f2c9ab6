import type { KnownRequest } from '../../src/kubernetes/known-request';
import { noon } from './fake-clock';

/** A live request as the gateway remembers one; members as a spec needs them. */
export function aKnownRequest(members: Partial<KnownRequest> = {}): KnownRequest {
  return {
    namespace: 'prod',
    name: 'remediation-a',
    fingerprint: 'a'.repeat(64),
    generation: 1,
    createdAt: noon - 60_000,
    resourceVersion: '1',
    severity: 'critical',
    firingAlerts: [],
    ...members,
  };
}
