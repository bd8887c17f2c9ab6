/** Where a RemediationRequest is. */
export interface RequestRef {
  readonly namespace: string;
  readonly name: string;
}

export function isSameRequest(a: RequestRef, b: RequestRef): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

/** A place that came as one text, and keeps it: it is what memories and watches are asked by. */
class KeyedRef implements RequestRef {
  readonly namespace: string;
  readonly name: string;
  readonly #key: string;

  constructor(key: string) {
    const slash = key.indexOf('/');
    this.namespace = key.slice(0, slash);
    this.name = key.slice(slash + 1);
    this.#key = key;
  }

  static keyOf(ref: RequestRef): string {
    return #key in ref ? ref.#key : `${ref.namespace}/${ref.name}`;
  }
}

/** A request's place as one text; neither part of a Kubernetes name can hold a slash. */
export function keyOf(ref: RequestRef): string {
  return KeyedRef.keyOf(ref);
}

/** The reverse of `keyOf`. */
export function refOfKey(key: string): RequestRef {
  return new KeyedRef(key);
}
