import type { GatewayConfig } from '../config/gateway-config';
import { systemClock } from '../clock';
import { deadlineIn } from '../deadline';
import { messageOf } from '../error-message';
import { AccessReviewClient } from '../kubernetes/access-review.client';
import { clusterNeedsOf, fallbackNamespaceOf, ownNamespaceOf } from '../kubernetes/cluster-needs';
import { KubernetesApi } from '../kubernetes/kubernetes-api';
import { inWords, neededPermissions, type Permission } from '../kubernetes/permissions';
import { requestsCrd } from '../kubernetes/remediation-request';
import { RemediationRequestClient } from '../kubernetes/remediation-request.client';
import { inFull, tryRequest } from '../kubernetes/request-trial';
import { silentLog } from '../logging/log-sink';
import { OpaServer } from '../processing/priority/opa-server';
import { policyOptionsOf, usablePolicy } from '../processing/priority/priority-policy';
import { probeInputs } from '../processing/priority/policy-trial';
import { createSignalState } from '../state/create-signal-state';
import { redisOptionsOf } from '../state/redis-options';

/** Something that the gateway needs, and how it is. */
export interface Checked {
  readonly state: 'ok' | 'missing' | 'degraded' | 'off';
  readonly what: string;
  /** What is there, or what is wrong with it. */
  readonly detail: string;
}

const callMs = 5_000;

/**
 * Looks at everything that the gateway needs, as the gateway itself would: with the same configuration and credentials. What it
 * can do without is `degraded`; a Redis that is configured is `missing` when it is away, though the gateway may go on without: somebody wants it.
 */
export async function checkDependencies(config: GatewayConfig): Promise<readonly Checked[]> {
  const [redis, cluster, policy] = await Promise.all([checkRedis(config), checkCluster(config), checkPolicy(config)]);
  return [redis, ...cluster, policy];
}

/** A line each, in columns. */
export function asTable(checked: readonly Checked[]): string {
  const widest = Math.max(...checked.map(({ what }) => what.length));
  return checked.map(({ state, what, detail }) => `${state.padEnd(8)}  ${what.padEnd(widest)}  ${detail}`).join('\n');
}

async function checkRedis({ redis, deduplication }: GatewayConfig): Promise<Checked> {
  const addresses = [redis.sentinels, redis.clusterNodes, [redis.addr].filter((addr) => addr !== '')];
  const place = addresses.find((some) => some.length > 0)?.join(', ');
  if (place === undefined) return { state: 'off', what: 'redis', detail: 'none is configured' };
  let opened: ReturnType<typeof createSignalState> | undefined;
  try {
    opened = createSignalState({
      redis: redisOptionsOf(redis),
      ttlMs: deduplication.ttl,
      cleanupIntervalMs: deduplication.cleanupInterval,
      clock: systemClock,
      onRedisChange: () => undefined,
    });
    const { connection } = opened;
    const due = deadlineIn(redis.dialTimeout + redis.commandTimeout);
    await Promise.race([connection?.whenUp(), new Promise((resolve) => due.signal.addEventListener('abort', resolve))]);
    due.clear();
    const status = connection?.status;
    if (status?.up === true) return { state: 'ok', what: 'redis', detail: place };
    return { state: 'missing', what: 'redis', detail: `${place}: ${status?.reason ?? 'no answer'}` };
  } catch (error) {
    return { state: 'missing', what: 'redis', detail: `${place}: ${messageOf(error)}` };
  } finally {
    await opened?.close();
  }
}

async function checkCluster(config: GatewayConfig): Promise<readonly Checked[]> {
  const { kubeconfig, context, connections } = config.kubernetes;
  let api: KubernetesApi | undefined;
  const due = deadlineIn(callMs);
  try {
    api = await KubernetesApi.connect({ kubeconfig, context, connections, callTimeoutMs: callMs }, silentLog);
    const { gitVersion } = await api.call<{ gitVersion: string }>('GET', '/version', { signal: due.signal });
    const client = new RemediationRequestClient(api, 1);
    const reviews = new AccessReviewClient(api);
    const namespace = fallbackNamespaceOf(config.crd, api);
    const permissions = neededPermissions(clusterNeedsOf(config, ownNamespaceOf(api)));
    return [
      { state: 'ok', what: 'kubernetes api', detail: `${api.server} (${gitVersion})` },
      await checkRequests(client, namespace, due.signal),
      ...(await Promise.all(permissions.map((permission) => checkPermission(reviews, permission, due.signal)))),
    ];
  } catch (error) {
    return [{ state: 'missing', what: 'kubernetes api', detail: messageOf(error) }];
  } finally {
    due.clear();
    await api?.close();
  }
}

/** Whether requests could be created, as far as the cluster and not our permissions decide. */
async function checkRequests(
  client: RemediationRequestClient,
  namespace: string,
  deadline: AbortSignal,
): Promise<Checked> {
  const what = 'crd';
  try {
    const [first] = await tryRequest(client, namespace, deadline);
    if (first === undefined) return { state: 'ok', what, detail: requestsCrd };
    return { state: first.essential ? 'missing' : 'degraded', what, detail: inFull(first) };
  } catch (error) {
    return { state: 'missing', what, detail: messageOf(error) };
  }
}

async function checkPermission(
  reviews: AccessReviewClient,
  permission: Permission,
  deadline: AbortSignal,
): Promise<Checked> {
  const what = 'permission';
  const words = inWords(permission);
  try {
    if (await reviews.mayWe(permission, deadline)) return { state: 'ok', what, detail: words };
    const state = permission.essential ? 'missing' : 'degraded';
    return { state, what, detail: `${words} (${permission.neededFor})` };
  } catch (error) {
    return { state: 'missing', what, detail: `${words}: ${messageOf(error)}` };
  }
}

async function checkPolicy({ priority }: GatewayConfig): Promise<Checked> {
  const what = 'policy';
  try {
    if (priority.opaUrl === '') {
      const { from } = await usablePolicy(policyOptionsOf(priority));
      return { state: 'ok', what, detail: from };
    }
    const opa = new OpaServer(priority.opaUrl);
    const verdicts = await Promise.all(probeInputs().map((input) => opa.evaluate(input)));
    const failed = verdicts.find((verdict) => 'failure' in verdict && verdict.failure !== 'undefined');
    if (failed === undefined || !('failure' in failed)) return { state: 'ok', what, detail: priority.opaUrl };
    // The table decides then.
    return { state: 'degraded', what, detail: `${priority.opaUrl}: ${failed.reason}` };
  } catch (error) {
    return { state: 'missing', what, detail: messageOf(error) };
  }
}
