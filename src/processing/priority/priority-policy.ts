import { defaultPolicyPath, type GatewayConfig } from '../../config/gateway-config';
import { versionOf } from '../../file-version';
import type { LogSink } from '../../logging/log-sink';
import { readPolicy, shippedPolicy } from './policy-file';
import type { PolicyInput } from './policy-input';
import { tryPolicy } from './policy-trial';
import { RegoPolicy, type PolicyVerdict } from './rego-policy';

export interface PriorityPolicyOptions {
  readonly file: string;
  /** Whether the shipped policy stands in for a file that is not there. */
  readonly fileMayBeAbsent: boolean;
  readonly opaPath: string;
  /** A mounted ConfigMap changes by a swapped link, which no notification tells. Milliseconds. */
  readonly pollMs?: number;
}

const defaultPollMs = 2_000;

export function policyOptionsOf({ regoPolicyPath, opaPath }: GatewayConfig['priority']): PriorityPolicyOptions {
  return { file: regoPolicyPath, fileMayBeAbsent: regoPolicyPath === defaultPolicyPath, opaPath };
}

/** The policy that decides, read anew when its file changes. One that is no good changes nothing. */
export class PriorityPolicy {
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private current: RegoPolicy,
    private seen: string | undefined,
    private readonly options: PriorityPolicyOptions,
    private readonly log: LogSink,
  ) {}

  /** @throws Error with file, line and reason when the policy cannot be used */
  static async load(options: PriorityPolicyOptions, log: LogSink): Promise<PriorityPolicy> {
    const seen = versionOf(options.file);
    const { policy, from } = await usablePolicy(options);
    log.info({ policy: from }, 'priority policy loaded');
    return new PriorityPolicy(policy, seen, options, log);
  }

  evaluate(input: PolicyInput): PolicyVerdict {
    return this.current.evaluate(input);
  }

  follow(): void {
    this.timer = setTimeout(() => {
      void this.look().finally(() => {
        if (this.timer !== undefined) this.follow();
      });
    }, this.options.pollMs ?? defaultPollMs).unref();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    const { file } = this.options;
    const now = versionOf(file);
    // One that is gone for a moment is being replaced.
    if (now === undefined || now === this.seen) return;
    this.seen = now;
    try {
      this.current = (await usablePolicy(this.options)).policy;
      this.log.info({ file }, 'priority policy reloaded');
    } catch (error) {
      this.log.error({ file, reason: (error as Error).message }, 'the changed priority policy is not used');
    }
  }
}

/** A policy, and where it is from, in words. */
export interface UsablePolicy {
  readonly policy: RegoPolicy;
  readonly from: string;
}

/** @throws Error with file, line and reason when it cannot be used */
export async function usablePolicy({ file, fileMayBeAbsent, opaPath }: PriorityPolicyOptions): Promise<UsablePolicy> {
  const isAbsent = versionOf(file) === undefined;
  if (isAbsent && !fileMayBeAbsent) throw new Error(`priority.rego_policy_path: ${file} cannot be read`);
  // The one that comes with the gateway is tried by its tests.
  if (isAbsent)
    return { policy: new RegoPolicy(await shippedPolicy()), from: `the one of the gateway: there is no ${file}` };
  const compiled = await readPolicy(file, opaPath);
  await tryPolicy(compiled);
  return { policy: new RegoPolicy(compiled), from: file };
}
