/** Texts by name, as JSON parsed them: labels and annotations. To be asked by `labelOf`: they inherit what every object does. */
export type Labels = Readonly<Record<string, string>>;

/** The value of a label. Senders name labels as they like: what all objects inherit under such a name is no text. */
export function labelOf(labels: Labels, name: string): string | undefined {
  const value: unknown = labels[name];
  return typeof value === 'string' ? value : undefined;
}
