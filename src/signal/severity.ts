/** The most severe first. */
export const severities = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof severities)[number];

export function isMoreSevere(one: Severity, other: Severity): boolean {
  return severities.indexOf(one) < severities.indexOf(other);
}

export function isSeverity(text: string): text is Severity {
  return (severities as readonly string[]).includes(text);
}

/**
 * The severity of a signal from what its sender calls it: one of ours as it is, another by the configured mapping,
 * and `warning` for none or an unknown one, because an alert that is not understood must still be seen.
 */
export function toSeverity(text: string | undefined, mapping: ReadonlyMap<string, Severity>): Severity {
  if (text === undefined) return 'warning';
  const lower = text.trim().toLowerCase();
  return isSeverity(lower) ? lower : (mapping.get(lower) ?? 'warning');
}
