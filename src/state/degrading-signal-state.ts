import { isEmbeddedToken, type EmbeddedSignalState } from './embedded/embedded-signal-state';
import { sharedOrLocal } from './shared-or-local';
import type { Claim, ClaimRequest, Confirmation, Found, Occurrences, Release, SignalState } from './signal-state';

/**
 * The shared memory, and while it cannot be reached the memory of this process.
 *
 * Within a replica duplicates are then still known at once; between replicas the API server arbitrates. A token says
 * where its claim was made, and its claim is settled there:
 * - A claim of this process is confirmed or released in this process, even if the shared memory is back. It learns of the
 *   object at the next sighting, when it answers `new` and the object is found in the cluster.
 * - A claim in the shared memory that cannot be confirmed there is remembered in this process instead, unless somebody
 *   here holds the fingerprint by now. One that cannot be released there ends with its lease.
 */
export class DegradingSignalState implements SignalState {
  constructor(
    private readonly shared: SignalState,
    private readonly local: EmbeddedSignalState,
  ) {}

  claim(requests: readonly ClaimRequest[]): Promise<Claim[]> {
    return this.sharedOrLocal((state) => state.claim(requests));
  }

  async confirm(confirmations: readonly Confirmation[]): Promise<(Occurrences | undefined)[]> {
    if (!confirmations.some(isLocal)) return this.sharedOrLocal((state) => state.confirm(confirmations));
    const [ofLocal, ofShared] = bySide(confirmations);
    const [confirmedLocal, confirmedShared] = await Promise.all([
      this.local.confirm(ofLocal),
      this.sharedOrLocal((state) => state.confirm(ofShared)),
    ]);
    return confirmations.map((one) => (isLocal(one) ? confirmedLocal : confirmedShared).shift());
  }

  async release(releases: readonly Release[]): Promise<void> {
    const [ofLocal, ofShared] = bySide(releases);
    await Promise.all([this.local.release(ofLocal), this.sharedOrLocal((state) => state.release(ofShared))]);
  }

  find(fingerprints: readonly string[]): Promise<Found[]> {
    return this.sharedOrLocal((state) => state.find(fingerprints));
  }

  private sharedOrLocal<Answer>(operation: (state: SignalState) => Promise<Answer>): Promise<Answer> {
    return sharedOrLocal(this.shared, this.local, operation);
  }
}

function bySide<Settled extends { readonly token: string }>(batch: readonly Settled[]): [Settled[], Settled[]] {
  return [batch.filter(isLocal), batch.filter((one) => !isLocal(one))];
}

function isLocal({ token }: { readonly token: string }): boolean {
  return isEmbeddedToken(token);
}
