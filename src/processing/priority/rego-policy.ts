import { loadPolicySync } from '@open-policy-agent/opa-wasm';
import { isPriority, type Priority } from '../../signal/priority';
import type { PolicyInput } from './policy-input';

/** A policy as the engine takes it. */
export interface CompiledPolicy {
  /** WebAssembly as OPA compiles it. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** The documents of its bundle, under `data`. */
  readonly data: object;
}

/** Why a policy did not decide. */
export type PolicyFailure =
  /** It has no answer for this input. */
  | 'undefined'
  /** Its answer is none of P0 to P4. */
  | 'invalid'
  /** It failed: its rules contradict each other, or a built-in function is not available. */
  | 'error'
  /** It was slow again and again, and is not asked until it is loaded anew. */
  | 'set_aside'
  /** The OPA server that evaluates it does not answer in time. */
  | 'unavailable';

export type PolicyVerdict =
  { readonly priority: Priority } | { readonly failure: PolicyFailure; readonly reason: string };

/** What a policy is asked for, as `opa build -e` names it. */
export const entrypoint = 'kubernaut/gateway/priority/priority';
/** Pages of 64 KiB. An evaluation frees nothing before it ends, so this bounds its time as well: it takes about 0.1 s to fill. */
export const policyMemory = { initial: 5, maximum: 1_024 };
const slowMs = 50;
const maxSlow = 3;

/** A Rego policy, evaluated in this process by OPA's own WebAssembly. */
export class RegoPolicy {
  private readonly policy;
  private slow = 0;

  /** @throws Error that says why it cannot be loaded */
  constructor({ wasm, data }: CompiledPolicy) {
    try {
      this.policy = loadPolicySync(wasm, policyMemory);
      this.policy.setData(data);
    } catch (error) {
      throw new Error(`it is no policy that OPA compiled: ${textOf(error)}`, { cause: error });
    }
    if (!Object.hasOwn(this.policy.entrypoints as object, entrypoint))
      throw new Error(`it has no entry point ${entrypoint}; compile it with opa build -t wasm -e ${entrypoint}`);
  }

  /** Never throws: the table decides what a policy does not. */
  evaluate(input: PolicyInput): PolicyVerdict {
    if (this.slow >= maxSlow)
      return { failure: 'set_aside', reason: `it took longer than ${slowMs} ms ${maxSlow} times in a row` };
    const begin = performance.now();
    try {
      const results = this.policy.evaluate(input, entrypoint) as unknown;
      const result: unknown = Array.isArray(results) ? (results as { result?: unknown }[])[0]?.result : undefined;
      return verdictOf(result);
    } catch (error) {
      return { failure: 'error', reason: textOf(error) };
    } finally {
      this.slow = performance.now() - begin > slowMs ? this.slow + 1 : 0;
    }
  }
}

/** What an answer means; `undefined` is none. */
export function verdictOf(result: unknown): PolicyVerdict {
  if (result === undefined) return { failure: 'undefined', reason: 'it has no answer' };
  if (isPriority(result)) return { priority: result };
  return { failure: 'invalid', reason: `its answer is ${JSON.stringify(result).slice(0, 100)}` };
}

/** The engine throws texts and objects as well. */
function textOf(error: unknown): string {
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  return String(message).slice(0, 300);
}
