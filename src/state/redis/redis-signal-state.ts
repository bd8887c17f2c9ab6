import { randomBytes } from 'node:crypto';
import {
  mayAppearMs,
  type Claim,
  type ClaimRequest,
  type Confirmation,
  type Entry,
  type Found,
  type Occurrences,
  type Release,
  type SignalState,
} from '../signal-state';
import { keyOf, refOfKey } from '../../request-ref';
import { claimScript } from './claim.lua';
import { confirmScript } from './confirm.lua';
import { findScript } from './find.lua';
import type { RedisConnection } from './redis-connection';
import type { ScriptReply } from './script-batch';
import { releaseScript } from './release.lua';

export interface RedisSignalStateOptions {
  readonly connection: RedisConnection;
  readonly keyPrefix: string;
  /** How long a confirmed entry lives after its last sighting. Milliseconds. */
  readonly ttlMs: number;
  /** How long a claim is held that is neither confirmed nor released. Milliseconds. */
  readonly leaseMs: number;
}

/** The memory that replicas share. A batch is one script and one round trip; the time is Redis's own. */
export class RedisSignalState implements SignalState {
  private readonly processId = randomBytes(8).toString('hex');
  private claims = 0;

  constructor(private readonly options: RedisSignalStateOptions) {}

  async claim(requests: readonly ClaimRequest[]): Promise<Claim[]> {
    if (requests.length === 0) return [];
    // One token serves the whole batch: what fences is the pair of fingerprint and token.
    const token = `${this.processId}-${++this.claims}`;
    const { connection, ttlMs, leaseMs } = this.options;
    const wasUp = connection.status.up;
    try {
      const reply = await connection.run(claimScript, {
        keys: this.keysOf(requests),
        common: [ttlMs, leaseMs],
        each: requests.map(({ over }) => [token, over === undefined ? '' : keyOf(over)]),
      });
      return requests.map(({ fingerprint }, i) => {
        const entry = entryAt(reply, i * 5);
        if (entry !== undefined) {
          const { request, count, firstSeen, lastSeen } = entry;
          return { outcome: 'duplicate', fingerprint, request, count, firstSeen, lastSeen };
        }
        const held = Number(reply[i * 5 + 4]);
        return held > 0 ? { outcome: 'pending', fingerprint, leaseMs: held } : { outcome: 'new', fingerprint, token };
      });
    } catch (error) {
      // Redis may have run it, or may still run it when it wakes up, and then nobody would know of these claims.
      if (wasUp) void this.releaseWhenUp(requests.map(({ fingerprint }) => ({ fingerprint, token })));
      throw error;
    }
  }

  async confirm(confirmations: readonly Confirmation[]): Promise<(Occurrences | undefined)[]> {
    if (confirmations.length === 0) return [];
    const { connection, ttlMs } = this.options;
    const reply = await connection.run(confirmScript, {
      keys: this.keysOf(confirmations),
      common: [ttlMs],
      each: confirmations.map(({ token, request, known, lifeMs }) => [
        token,
        keyOf(request),
        known?.count ?? 0,
        known?.firstSeen ?? '',
        lifeMs ?? '',
      ]),
    });
    return confirmations.map((_, i) => (reply[i * 3] === false ? undefined : occurrencesAt(reply, i * 3)));
  }

  async release(releases: readonly Release[]): Promise<void> {
    if (releases.length === 0) return;
    const each = releases.map(({ token, mayAppear }) => [token, mayAppear ? 1 : '']);
    await this.options.connection.run(releaseScript, { keys: this.keysOf(releases), common: [mayAppearMs], each });
  }

  async find(fingerprints: readonly string[]): Promise<Found[]> {
    if (fingerprints.length === 0) return [];
    const keys = this.keysOf(fingerprints.map((fingerprint) => ({ fingerprint })));
    const reply = await this.options.connection.run(findScript, { keys, common: [], each: keys.map(() => []) });
    return fingerprints.map((_, i) => entryAt(reply, i * 5) ?? claimAt(reply, i * 5 + 4));
  }

  private async releaseWhenUp(releases: readonly Release[]): Promise<void> {
    await this.options.connection.whenUp();
    // If this fails as well, the lease ends them.
    await this.release(releases).catch(() => undefined);
  }

  /** The braces are a hash tag: in a Redis Cluster, all keys of one fingerprint live in one slot. */
  private keysOf(batch: readonly { readonly fingerprint: string }[]): string[] {
    return batch.map(({ fingerprint }) => `${this.options.keyPrefix}:v1:{${fingerprint}}`);
  }
}

function entryAt(reply: ScriptReply, at: number): Entry | undefined {
  const request = reply[at];
  if (typeof request !== 'string') return undefined;
  const { count, firstSeen, lastSeen } = occurrencesAt(reply, at + 1);
  return { request: refOfKey(request), count, firstSeen, lastSeen };
}

function claimAt(reply: ScriptReply, at: number): 'pending' | 'uncertain' | undefined {
  const token = reply[at];
  if (token === false) return undefined;
  return token === '' ? 'uncertain' : 'pending';
}

function occurrencesAt(reply: ScriptReply, at: number): Occurrences {
  return { count: Number(reply[at]), firstSeen: Number(reply[at + 1]), lastSeen: Number(reply[at + 2]) };
}
