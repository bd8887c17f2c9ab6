export interface ListenAddress {
  /** Absent: every address of the machine. */
  readonly host?: string;
  /** 0: a free one. */
  readonly port: number;
}

/**
 * Reads `:8080`, `127.0.0.1:0` or `[::1]:80`.
 * @throws TypeError when it is none
 */
export function parseListenAddress(text: string): ListenAddress {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > 65_535)
    throw new TypeError(`"${text}" is no address to listen on, write ":8080" or "127.0.0.1:8080"`);
  const host = parts[1] ?? parts[2];
  return { ...(host ? { host } : {}), port };
}

/** What to do about an address that cannot be listened on. Any other error is answered as it is. */
export function listenFailure(setting: string, address: string, error: unknown): unknown {
  const { syscall, code, message } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return error;
  const reason = code === 'EADDRINUSE' ? 'it is in use, choose another' : message;
  return new Error(`${setting}: cannot listen on ${address}: ${reason}`, { cause: error });
}
