/** RFC 1123 label: what a namespace may be called. */
export const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Labels with dots between them, at most 253 characters: what most objects of Kubernetes may be called. */
export const dnsName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
