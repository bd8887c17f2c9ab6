/** Who sends a request, as TokenReview says: what the API server needs to know to tell what somebody may do. */
export interface Caller {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}
