export interface BucketSize {
  /** Tokens that a full bucket holds. */
  readonly capacity: number;
  /** Tokens that come back in a minute. */
  readonly perMinute: number;
}

export interface Withdrawal {
  /** Never more than was asked for. */
  readonly granted: number;
  /** Milliseconds until there is a token again; 0 unless nothing was granted. */
  readonly waitMs: number;
}

/** Token buckets that replicas share. A bucket that nobody touched is full. */
export interface TokenBank {
  /**
   * Takes up to so many tokens, but of several no more than a quarter of what is left, so that what is scarce is not hoarded.
   * @throws StateUnavailableError
   */
  withdraw(key: string, tokens: number, size: BucketSize): Promise<Withdrawal>;

  /** Puts tokens back that should not have been charged. @throws StateUnavailableError */
  deposit(key: string, tokens: number, size: BucketSize): Promise<void>;
}
