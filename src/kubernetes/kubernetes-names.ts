import { dnsLabel } from '../dns-names';

const maxSlugLength = 40;
const maxLabelValueLength = 63;

/** Whether a text is an RFC 1123 label. */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text);
}

/** Lower-case letters, digits and single hyphens, never at an end, at most 40; `signal` if nothing of the text is left. */
export function slug(text: string): string {
  const folded = text
    .slice(0, 4 * maxSlugLength)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, maxSlugLength)
    .replace(/-$/, '');
  return folded === '' ? 'signal' : folded;
}

/** A value that a Kubernetes label may have: at most 63 of letters, digits, `-_.`, with a letter or digit at both ends. */
export function labelValue(text: string): string {
  return text
    .slice(0, maxLabelValueLength)
    .replace(/[^A-Za-z0-9_.-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/[^A-Za-z0-9]+$/, '');
}

/**
 * The name of the request for the `generation`th episode of an incident. It is computed from the incident alone, so that
 * replicas that know nothing of each other meet at the same name and the API server lets one of them through.
 * @param digits of the fingerprint; 12 when another incident already has the name with 6
 */
export function requestName(alertName: string, fingerprint: string, generation: number, digits: 6 | 12 = 6): string {
  const name = `remediation-${slug(alertName)}-${fingerprint.slice(0, digits)}`;
  return generation === 1 ? name : `${name}-${generation}`;
}

/**
 * Whether the request of this name that carries a signal is that of a storm. An alert may be called so as well, but its request has digits of its
 * own fingerprint.
 */
export function isNameOfStorm(name: string, fingerprint: string): boolean {
  return name.startsWith('remediation-storm-') && !name.includes(`-${fingerprint.slice(0, 6)}`);
}

/** The label by which all requests of a fingerprint are found: a label value holds 63 of its 64 digits. */
export function fingerprintLabel(fingerprint: string): string {
  return fingerprint.slice(0, maxLabelValueLength);
}
