import { AccessReviewClient } from '../../src/kubernetes/access-review.client';
import type { KubernetesApi } from '../../src/kubernetes/kubernetes-api';
import { KubernetesApiError, type KubernetesFailure } from '../../src/kubernetes/kubernetes-api.error';
import { inWords, type Permission } from '../../src/kubernetes/permissions';
import type { Caller } from '../../src/caller';

/** An API server that lets senders send for the whole cluster, unless a spec says for which namespaces. */
export class FakeAccessReviewClient extends AccessReviewClient {
  /** By caller; `*` is every namespace. A caller without an entry may send for all. */
  readonly namespacesOf = new Map<string, readonly string[]>();
  /** Of the gateway itself, as `inWords` has them. */
  readonly missing = new Set<string>();
  /** Each question, e.g. `alertmanager prometheus prod`. */
  readonly asked: string[] = [];
  inFlight = 0;
  peak = 0;
  private readonly failures: KubernetesFailure[] = [];
  private gate: Promise<void> = Promise.resolve();

  constructor() {
    super({} as KubernetesApi);
  }

  failNext(failure: KubernetesFailure, times = 1): void {
    this.failures.push(...Array.from({ length: times }, () => failure));
  }

  /** Reviews wait until the answered function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return resolve;
  }

  override async maySend({ username }: Caller, source: string, namespace: string): Promise<boolean> {
    this.asked.push(`${username} ${source} ${namespace || '*'}`);
    await this.answer();
    return (this.namespacesOf.get(username) ?? ['*']).includes(namespace || '*');
  }

  override async mayWe(permission: Permission): Promise<boolean> {
    await this.answer();
    return !this.missing.has(inWords(permission));
  }

  private async answer(): Promise<void> {
    this.peak = Math.max(this.peak, ++this.inFlight);
    try {
      await this.gate;
      await new Promise((resolve) => setImmediate(resolve));
      const failure = this.failures.shift();
      if (failure !== undefined) throw new KubernetesApiError(failure, `told to fail: ${failure}`);
    } finally {
      this.inFlight--;
    }
  }
}
