/**
 * What was made of keys of late, so that it need not be made again: senders say the same few things again and again. When it is full
 * it forgets everything, for to know which key is the oldest costs more than to make some anew.
 */
export class Recent<K, V> {
  private readonly made = new Map<K, V>();

  /** @param max keys that are remembered; of a key that is part of a longer text, all of that text */
  constructor(private readonly max: number) {}

  /** What `make` makes of the key, or made of it before. */
  of(key: K, make: (key: K) => V): V {
    const known = this.made.get(key);
    if (known !== undefined || this.made.has(key)) return known as V;
    const value = make(key);
    if (this.made.size >= this.max) this.made.clear();
    this.made.set(key, value);
    return value;
  }
}
