/** Values by the namespace and name of an object. By one text of both, an index would keep that text beside each name: a tenth of what it holds. */
export class ObjectMap<Value> {
  private readonly namespaces = new Map<string, Map<string, Value>>();

  /** @param namespace empty for what is in none */
  get(namespace: string, name: string): Value | undefined {
    return this.namespaces.get(namespace)?.get(name);
  }

  set(namespace: string, name: string, value: Value): void {
    const named = this.namespaces.get(namespace);
    if (named === undefined) this.namespaces.set(namespace, new Map([[name, value]]));
    else named.set(name, value);
  }

  delete(namespace: string, name: string): void {
    const named = this.namespaces.get(namespace);
    if (named?.delete(name) && named.size === 0) this.namespaces.delete(namespace);
  }

  get size(): number {
    let size = 0;
    for (const named of this.namespaces.values()) size += named.size;
    return size;
  }

  *entries(): IterableIterator<readonly [namespace: string, name: string, value: Value]> {
    for (const [namespace, named] of this.namespaces) for (const [name, value] of named) yield [namespace, name, value];
  }
}
