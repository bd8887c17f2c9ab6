import type { KubernetesApi } from '../kubernetes/kubernetes-api';
import type { SelfCheck } from '../kubernetes/self-check';
import type { WatchCache } from '../kubernetes/watch-cache';
import type { RedisStatus } from '../state/redis/redis-connection';

/** How a dependency is: `degraded` still serves, worse or with less certainty; `down` does not. */
export type DependencyState =
  | { readonly state: 'up' }
  /** The reason tells an operator what to look at. */
  | { readonly state: 'degraded' | 'down'; readonly reason: string };

export interface RedisDependency {
  readonly connection: { readonly status: RedisStatus };
  /** What a signal meets while Redis is away: an answer from the API server alone, or a refusal. */
  readonly onFailure: 'degrade' | 'reject';
}

/** What the self-check found, and whether calls go through. */
export interface ClusterStanding {
  readonly selfCheck: Pick<SelfCheck, 'findings'>;
  readonly api: Pick<KubernetesApi, 'circuit'>;
}

/** Whether the gateway can take signals, with a line for each thing that it needs for that. */
export class Readiness {
  private draining = false;

  constructor(
    private readonly watches: Readonly<Record<string, Pick<WatchCache<unknown>, 'synced' | 'failing'>>>,
    private readonly cluster: ClusterStanding,
    /** Absent when the state is in this process. */
    private readonly redis?: RedisDependency,
  ) {}

  /** Asks to be taken out of service, before anything stops. */
  beginDraining(): void {
    this.draining = true;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  check(): Readonly<Record<string, DependencyState>> {
    return {
      kubernetes: this.kubernetes(),
      ...(this.redis === undefined ? {} : { redis: redisState(this.redis) }),
      ...(this.draining ? { shutdown: { state: 'down', reason: 'shutting down' } } : {}),
    };
  }

  /** Without the first lists the gateway cannot tell new from known, or one environment from another. */
  private kubernetes(): DependencyState {
    const {
      selfCheck: { findings },
      api: { circuit },
    } = this.cluster;
    const problems = (findings ?? []).map(({ problem }) => problem).join('; ');
    if (findings?.some(({ essential }) => essential)) return { state: 'down', reason: problems };
    const missing = this.watchesThat(({ synced }) => !synced);
    if (missing.length > 0) return { state: 'down', reason: `not listed yet: ${missing.join(', ')}` };
    if (findings === undefined) return { state: 'down', reason: 'self-check not done yet' };
    if (circuit !== 'closed')
      return { state: 'degraded', reason: 'the API server does not answer: calls are suspended' };
    const interrupted = this.watchesThat(({ failing }) => failing);
    // What is wrong may be why a watch is.
    const reasons = [problems, interrupted.length > 0 ? `watch interrupted: ${interrupted.join(', ')}` : ''];
    const reason = reasons.filter((text) => text !== '').join('; ');
    return reason === '' ? { state: 'up' } : { state: 'degraded', reason };
  }

  private watchesThat(predicate: (watch: Pick<WatchCache<unknown>, 'synced' | 'failing'>) => boolean): string[] {
    return Object.entries(this.watches)
      .filter(([, watch]) => predicate(watch))
      .map(([name]) => name);
  }
}

function redisState({ connection: { status }, onFailure }: RedisDependency): DependencyState {
  return status.up ? { state: 'up' } : { state: onFailure === 'degrade' ? 'degraded' : 'down', reason: status.reason };
}
