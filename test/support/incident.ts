import { createHash, randomUUID } from 'node:crypto';
import type { RequestRef } from '../../src/request-ref';

/** A fingerprint that nothing else in any spec has. */
export function aFingerprint(): string {
  return createHash('sha256').update(randomUUID()).digest('hex');
}

export function aRequest(): RequestRef {
  return { namespace: 'prod-payment-service', name: `remediation-highmemoryusage-${randomUUID().slice(0, 6)}` };
}
