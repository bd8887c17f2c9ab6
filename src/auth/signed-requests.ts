import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../http/problem';
import { scopeOf } from '../http/request-scope';
import type { Sender } from '../http/room';
import type { LogSink } from '../logging/log-sink';
import type { GatewayMetrics } from '../metrics/gateway-metrics';
import { recentlyUsed } from '../recently-used';
import type { AddressMeter } from './authenticator';
import type { BodySignature } from './body-signature';

const maxProven = 10_000;
/** An address whose signature was right is not charged for so long: its webhooks may come many at once. Milliseconds. */
const provenMs = 600_000;

/** All whose signature was right share the room of one caller. */
const signedBefore: Sender = { name: 'signed', isKnown: true };

/** Finds out who sends a request by the signature of its body, on the paths of sources that sign. */
export class SignedRequests {
  private readonly proven = recentlyUsed<string, true>(maxProven, { ttl: provenMs });

  constructor(
    private readonly signatures: ReadonlyMap<string, BodySignature>,
    private readonly metrics: GatewayMetrics,
    private readonly log: LogSink,
  ) {}

  /** The signature by which a request is to be judged; `undefined` when it has none, or none is asked for at its path. */
  of(request: FastifyRequest): BodySignature | undefined {
    const signature = this.signatures.get(request.routeOptions.url ?? '');
    return signature?.isOn(request.headers) === true ? signature : undefined;
  }

  /** Beside a token, which says whose request it is, the signature must be right as well. */
  verify(request: FastifyRequest, signature: BodySignature): void {
    const verifyBody = (body: Buffer) => {
      const mistake = signature.mistakeOf(request.headers, body);
      if (mistake !== undefined) throw this.refused(mistake);
      return undefined;
    };
    // Made first and assigned then: V8 makes a function old that is assigned as it is made (ADR 0010).
    scopeOf(request).verifyBody = verifyBody;
  }

  /**
   * Alone, the signature says whose request it is, once the body is here. Until then its address is charged for it, unless it proved good
   * before: then a wrong one is charged when it is known to be wrong.
   * @throws ProblemError when the address has used up its limit
   */
  async authenticate(request: FastifyRequest, signature: BodySignature, address: AddressMeter): Promise<void> {
    const isProven = this.proven.has(address.address);
    if (!isProven) await address.charge();
    const scope = scopeOf(request);
    // Who does not have the secret takes no room from who does.
    scope.sender = isProven ? signedBefore : { name: address.address, isKnown: false };
    const verifyBody = (body: Buffer) => {
      const mistake = signature.mistakeOf(request.headers, body);
      // Somebody else may have the same address: he pays for himself, and takes nothing from who signs rightly there.
      if (mistake !== undefined && isProven) return this.chargeAndRefuse(mistake, address);
      if (mistake !== undefined) throw this.refused(mistake);
      if (!isProven) address.giveBack();
      this.proven.set(address.address, true);
      this.metrics.authentication.count({ result: 'accepted' });
      scope.caller = signature.caller;
      return undefined;
    };
    scope.verifyBody = verifyBody;
  }

  private async chargeAndRefuse(mistake: string, address: AddressMeter): Promise<never> {
    await address.charge();
    throw this.refused(mistake);
  }

  private refused(reason: string): ProblemError {
    this.metrics.authentication.count({ result: 'refused' });
    this.log.warn({ reason }, 'authentication failed');
    return new ProblemError('unauthenticated', `Authentication failed: ${reason}`, {
      headers: { 'www-authenticate': 'Bearer' },
    });
  }
}
