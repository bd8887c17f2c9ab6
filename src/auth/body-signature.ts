import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../caller';
import type { Clock } from '../clock';

export interface SignatureRules {
  readonly secret: string;
  /** Names of headers, in whatever case. The second is empty when the time is not signed. */
  readonly header: string;
  readonly timestampHeader: string;
  readonly replayWindowMs: number;
  readonly username: string;
}

const sha256InHex = /^[0-9a-f]{64}$/i;
const unixSeconds = /^\d{1,12}$/;

/**
 * Tells whether a body was signed with a shared secret, as Grafana does it: HMAC-SHA256, in hex, of the body; of
 * `<Unix seconds>:<body>` where the sender says when it signed.
 * https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
 */
export class BodySignature {
  /** Whose signature it is. */
  readonly caller: Caller;
  private readonly header: string;
  private readonly timestampHeader: string;

  constructor(
    private readonly rules: SignatureRules,
    private readonly clock: Clock,
  ) {
    this.caller = { username: rules.username };
    this.header = rules.header.toLowerCase();
    this.timestampHeader = rules.timestampHeader.toLowerCase();
  }

  /** Whether a request claims to be signed. */
  isOn(headers: IncomingHttpHeaders): boolean {
    return headers[this.header] !== undefined;
  }

  /** What is wrong with the signature of a body, in words for its sender; `undefined` when it is right. */
  mistakeOf(headers: IncomingHttpHeaders, body: Buffer): string | undefined {
    const { header, timestampHeader, secret, replayWindowMs } = this.rules;
    const signature = headers[this.header];
    if (typeof signature !== 'string' || !sha256InHex.test(signature))
      return `${header} is no HMAC-SHA256 in hex, of 64 digits`;
    const hmac = createHmac('sha256', secret);
    if (timestampHeader !== '') {
      const seconds = headers[this.timestampHeader];
      if (typeof seconds !== 'string' || !unixSeconds.test(seconds))
        return `${timestampHeader} with the Unix time in seconds is missing: set it as the timestamp header of the sender`;
      if (Math.abs(this.clock.now() - Number(seconds) * 1000) > replayWindowMs)
        return `${timestampHeader} is too far from the time of the gateway: look at the clocks`;
      hmac.update(`${seconds}:`);
    }
    const isRight = timingSafeEqual(hmac.update(body).digest(), Buffer.from(signature, 'hex'));
    return isRight ? undefined : 'the signature does not fit the body: sender and gateway need the same secret';
  }
}
