/** Who sends a request, as TokenReview says: what the API server needs to know to tell what somebody may do. */
export interface Caller {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Who sends what the gateway finds itself. It needs no permission, and no TokenReview can answer it: it is known by being this object. */
export const gatewayItself: Caller = { username: 'kubernaut-gateway' };
