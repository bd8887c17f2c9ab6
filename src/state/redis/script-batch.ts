/** What a script is run with: items of one or several keys, and of its arguments those for all and those for each item, in this order. */
export interface ScriptBatch {
  readonly keys: readonly string[];
  /** How many of the keys belong to each item; default: one. In a Redis Cluster they must be in one slot. */
  readonly keysEach?: number;
  readonly common: readonly (string | number)[];
  readonly each: readonly (readonly (string | number)[])[];
}

/** What a script answers, from the JSON text that it is sent as. Empty when it answers nothing. */
export type ScriptReply = readonly unknown[];

export function argumentsOf({ common, each }: ScriptBatch): (string | number)[] {
  return [...common, ...each.flat()];
}

/**
 * A batch for each item. In a Redis Cluster a script may touch the keys of one slot alone, and fingerprints are spread over
 * 16,384 of them: to look for those that share one would save nothing.
 */
export function byItem({ keys, keysEach = 1, common, each }: ScriptBatch): ScriptBatch[] {
  return each.map((args, i) => ({ keys: keys.slice(i * keysEach, (i + 1) * keysEach), common, each: [args] }));
}
