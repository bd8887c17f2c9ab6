import { Pool } from 'undici';
import type { PolicyInput } from './policy-input';
import { entrypoint, verdictOf, type PolicyVerdict } from './rego-policy';

const timeoutMs = 250;
/** After a failure it is not asked for so long: signals do not wait for it one by one. */
const restMs = 1_000;

/** A policy that an OPA server evaluates, by its REST API. */
export class OpaServer {
  private readonly server: Pool;
  private readonly path: string;
  private restsUntil = Number.NEGATIVE_INFINITY;

  /** @throws Error when `base` is no URL of a server, such as `http://opa:8181` */
  constructor(base: string) {
    const url = opaEndpoint(base);
    this.server = new Pool(url.origin);
    this.path = url.pathname;
  }

  /** Never rejects: the table decides what it does not. */
  async evaluate(input: PolicyInput): Promise<PolicyVerdict> {
    if (performance.now() < this.restsUntil)
      return { failure: 'unavailable', reason: 'the OPA server does not answer' };
    try {
      const { statusCode, body } = await this.server.request({
        method: 'POST',
        path: this.path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer = await body.text();
      if (statusCode === 500) return { failure: 'error', reason: answer.slice(0, 300) };
      if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
      return verdictOf((JSON.parse(answer) as { result?: unknown }).result);
    } catch (error) {
      this.restsUntil = performance.now() + restMs;
      return { failure: 'unavailable', reason: `the OPA server: ${(error as Error).message}` };
    }
  }

  /** Ends its connections when what is being asked is answered. */
  stop(): Promise<void> {
    return this.server.close();
  }
}

/** @throws Error when `base` is no URL of a server */
export function opaEndpoint(base: string): URL {
  if (!URL.canParse(base) || /[?#]/.test(base))
    throw new Error(`priority.opa_url: '${base}' is no URL of a server, such as http://opa:8181`);
  return new URL(`${base.replace(/\/+$/, '')}/v1/data/${entrypoint}`);
}
