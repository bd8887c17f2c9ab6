/** What a script is run with: keys, and of its arguments those for all and those for each key, in this order. */
export interface ScriptBatch {
  readonly keys: readonly string[];
  readonly common: readonly (string | number)[];
  readonly each: readonly (readonly (string | number)[])[];
}

export type ScriptReply = readonly (string | number | null)[];

export function argumentsOf({ common, each }: ScriptBatch): (string | number)[] {
  return [...common, ...each.flat()];
}

/**
 * A batch for each key. In a Redis Cluster a script may touch the keys of one slot alone, and fingerprints are spread over
 * 16,384 of them: to look for those that share one would save nothing.
 */
export function byKey({ keys, common, each }: ScriptBatch): ScriptBatch[] {
  return keys.map((key, i) => ({ keys: [key], common, each: [each[i] ?? []] }));
}
